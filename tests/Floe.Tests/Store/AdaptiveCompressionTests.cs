using Floe.Store;
using Xunit;

namespace Floe.Tests.Store;

public sealed class AdaptiveCompressionTests
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(1);

    private readonly AdaptiveCompression _policy = new();
    private TimeSpan _elapsed;
    private TimeSpan _waited;

    /// <summary>A small task on a fast link is through before anything could be learnt.</summary>
    [Fact]
    public void Next_NothingIsKnownYet_IsLz4() => Assert.Equal(new FrameEncoding(FrameCodec.Lz4), After(frames: 1, waitedShare: 0, stored: 0, uploaded: 0));

    [Fact]
    public void Next_SinksWait_GoesUpToTheStrongest() =>
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 3), After(frames: 1000, waitedShare: 0.5, stored: 100 << 20, uploaded: 90 << 20));

    [Fact]
    public void Next_LinkBecomesFast_GoesDownToLz4()
    {
        After(frames: 1000, waitedShare: 0.5, stored: 100 << 20, uploaded: 90 << 20);
        Assert.Equal(new FrameEncoding(FrameCodec.Lz4), After(frames: 1000, waitedShare: 0, stored: 200 << 20, uploaded: 180 << 20));
    }

    [Theory]
    [InlineData(0, 8 << 20)] // nobody waits yet, but little is sent
    [InlineData(0.1, 90 << 20)]
    public void Next_SomeWaitingOrLittleSent_Stays(double waitedShare, long uploaded)
    {
        After(frames: 1000, waitedShare: 0.5, stored: 20 << 20, uploaded: 5 << 20);
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 3), After(frames: 1000, waitedShare, stored: 100 << 20, uploaded));
    }

    /// <summary>A frame a millisecond by each of two sinks.</summary>
    private FrameEncoding After(int frames, double waitedShare, long stored, long uploaded)
    {
        FrameEncoding last = default;
        for (var i = 0; i < frames; i++)
        {
            _elapsed += s_tick;
            _waited += s_tick * 2 * waitedShare;
            last = _policy.Next(new CompressionPressure((long)_elapsed.TotalNanoseconds, (long)_waited.TotalNanoseconds, 2, stored, uploaded));
        }

        return last;
    }
}
