using Floe.Agent.Files;
using Floe.Linux;
using Xunit;

namespace Floe.Tests.Files;

public sealed class FileSignatureTests
{
    /// <summary>Many network file systems keep no fractions of a second, others only a few digits: a change after the listing is stamped before it.</summary>
    [Theory]
    [InlineData(10, 0u, 10, 500_000_000, true)]
    [InlineData(9, 0u, 10, 500_000_000, true)]
    [InlineData(8, 0u, 10, 500_000_000, false)]
    [InlineData(10, 400_000_000u, 10, 450_000_000, true)]
    [InlineData(10, 400_000_000u, 10, 550_000_000, false)]
    [InlineData(9, 900_000_000u, 9, 950_000_000, true)]
    [InlineData(9, 900_000_000u, 10, 0, false)]
    [InlineData(10, 440_000_000u, 10, 445_000_000, true)]
    [InlineData(10, 440_000_000u, 10, 455_000_000, false)]
    [InlineData(10, 123_456_789u, 10, 123_456_790, false)]
    [InlineData(10, 123_456_789u, 10, 123_456_789, true)]
    [InlineData(11, 123_456_789u, 10, 500_000_000, true)]
    public void MayHideChangesAfter_TimesOfEveryGrain_IsTrueWithinTheGrain(long seconds, uint nanoseconds, long listedSeconds, long listedNanoseconds, bool may)
    {
        var stat = default(Interop.StatxBuffer);
        stat.stx_ctime.tv_sec = seconds;
        stat.stx_ctime.tv_nsec = nanoseconds;
        Assert.Equal(may, new FileSignature(stat).MayHideChangesAfter(new Interop.Timespec { tv_sec = listedSeconds, tv_nsec = listedNanoseconds }));
    }
}
