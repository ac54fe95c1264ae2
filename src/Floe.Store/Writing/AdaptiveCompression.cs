namespace Floe.Store;

/// <summary>
/// Chooses among LZ4 and a few zstd levels by what is scarce. While sinks wait for upload buffers the link is the bottleneck and
/// CPU is to be had: a stronger one. While they hardly ever wait and what they made is mostly there, compressing is the
/// bottleneck: a faster one. It begins with the fastest: on a fast link a small task is through before anything is learnt, and on a
/// slow one no more than the upload buffers hold is weaker than it could be.
/// </summary>
public sealed class AdaptiveCompression : IFrameCompressionPolicy
{
    /// <summary>From fast to strong; measured in docs/decisions/0011-compression-levels.md.</summary>
    private static readonly FrameEncoding[] s_steps =
        [new(FrameCodec.Lz4), new(FrameCodec.Zstd, -1), new(FrameCodec.Zstd, 1), new(FrameCodec.Zstd, 2), new(FrameCodec.Zstd, 3)];

    private const int FramesPerDecision = 64;
    private const double LinkBound = 0.20;
    private const double CpuBound = 0.05;

    /// <summary>Until the buffers are full nobody waits for the slowest link: what is under way tells of it first.</summary>
    private const double KeepsUp = 0.5;

    private readonly Lock _lock = new();
    private int _frames;
    private int _step;
    private long _elapsedNanos;
    private long _waitedNanos;

    public FrameEncoding Next(in CompressionPressure pressure)
    {
        if (Interlocked.Increment(ref _frames) % FramesPerDecision == 0)
        {
            Decide(pressure);
        }

        return s_steps[Volatile.Read(ref _step)];
    }

    private void Decide(in CompressionPressure pressure)
    {
        lock (_lock)
        {
            var elapsed = (pressure.ElapsedNanos - _elapsedNanos) * Math.Max(1, pressure.Sinks);
            var waited = pressure.WaitedNanos - _waitedNanos;
            if (elapsed <= 0)
            {
                return;
            }

            var share = (double)waited / elapsed;
            if (share > LinkBound)
            {
                _step = Math.Min(_step + 1, s_steps.Length - 1);
            }
            else if (share < CpuBound && pressure.UploadedBytes >= pressure.StoredBytes * KeepsUp)
            {
                _step = Math.Max(_step - 1, 0);
            }

            _elapsedNanos = pressure.ElapsedNanos;
            _waitedNanos = pressure.WaitedNanos;
        }
    }
}
