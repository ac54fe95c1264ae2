using Floe.Store;
using Xunit;

namespace Floe.Tests.Store;

public sealed class AdaptiveCompressionTests
{
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(1);

    private readonly AdaptiveCompression _policy = new();
    private TimeSpan _elapsed;
    private TimeSpan _waited;

    [Fact]
    public void Next_NobodyWaitsAndAllIsSent_GoesDownToLz4() =>
        Assert.Equal(new FrameEncoding(FrameCodec.Lz4), After(frames: 1000, waitedShare: 0, stored: 100 << 20, uploaded: 90 << 20));

    [Fact]
    public void Next_NobodyWaitsYetButLittleIsSent_Stays() =>
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 1), After(frames: 1000, waitedShare: 0, stored: 40 << 20, uploaded: 8 << 20));

    [Fact]
    public void Next_SinksWait_GoesUpToTheStrongest() =>
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 3), After(frames: 1000, waitedShare: 0.5, stored: 100 << 20, uploaded: 90 << 20));

    [Fact]
    public void Next_LinkBecomesSlow_ComesBackFromLz4()
    {
        After(frames: 1000, waitedShare: 0, stored: 100 << 20, uploaded: 90 << 20);
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 3), After(frames: 1000, waitedShare: 0.9, stored: 200 << 20, uploaded: 120 << 20));
    }

    [Fact]
    public void Next_SomeWaiting_Stays() =>
        Assert.Equal(new FrameEncoding(FrameCodec.Zstd, 1), After(frames: 1000, waitedShare: 0.1, stored: 100 << 20, uploaded: 90 << 20));

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
