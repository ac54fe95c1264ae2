using Floe.Criu.Dump;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>The snapshot is committed by then: whatever CRIU has left of its statistics, the dump went well.</summary>
public sealed class DumpOutcomeTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    private string Statistics => Path.Combine(_scratch.Path, "stats-dump");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Outcome_Statistics_IsCriusOwnTime()
    {
        // An entry of magic, length and { dump: { freezing_time: 7, frozen_time: 1500000 } }.
        File.WriteAllBytes(Statistics, [.. Magic, 8, 0, 0, 0, 0x0A, 6, 0x08, 7, 0x10, 0xE0, 0xC6, 0x5B]);
        var outcome = DumpSession.Outcome(Statistics, "dump.log", TimeSpan.FromSeconds(9));
        Assert.Null(outcome.Note);
        Assert.Equal(TimeSpan.FromMilliseconds(1500), outcome.Frozen);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0)]
    [InlineData(6)]
    [InlineData(14)]
    public void Outcome_StatisticsAreMissingOrShort_IsTheTimeElapsedAndANote(int? length)
    {
        if (length is { } count)
        {
            File.WriteAllBytes(Statistics, ((byte[])[.. Magic, 8, 0, 0, 0, 0x0A, 6, 0x08, 7, 0x10, 0xE0, 0xC6, 0x5B])[..count]);
        }

        var outcome = DumpSession.Outcome(Statistics, "dump.log", TimeSpan.FromSeconds(9));
        Assert.NotNull(outcome.Note);
        Assert.Equal(TimeSpan.FromSeconds(9), outcome.Frozen);
    }

    /// <summary>IMG_SERVICE_MAGIC and STATS_MAGIC, little-endian.</summary>
    private static byte[] Magic => [0x40, 0x59, 0x10, 0x55, 0x06, 0x33, 0x09, 0x57];
}
