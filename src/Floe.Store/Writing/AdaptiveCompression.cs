namespace Floe.Store;

/// <summary>
/// Chooses among a few zstd levels by what is scarce. While sinks wait for upload buffers the link is the bottleneck and CPU is
/// to be had: a stronger level. While they hardly ever wait, compressing is the bottleneck: a faster one.
/// </summary>
public sealed class AdaptiveCompression : IFrameCompressionPolicy
{
    /// <summary>From fast to strong; measured in docs/decisions/0011-compression-levels.md.</summary>
    private static readonly int[] s_levels = [-1, 1, 2, 3];

    private const int FramesPerDecision = 64;
    private const double LinkBound = 0.20;
    private const double CpuBound = 0.05;

    private readonly Lock _lock = new();
    private int _frames;
    private int _step = 1;
    private long _elapsedNanos;
    private long _waitedNanos;

    public int? NextLevel(in CompressionPressure pressure)
    {
        if (Interlocked.Increment(ref _frames) % FramesPerDecision == 0)
        {
            Decide(pressure);
        }

        return s_levels[Volatile.Read(ref _step)];
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
                _step = Math.Min(_step + 1, s_levels.Length - 1);
            }
            else if (share < CpuBound)
            {
                _step = Math.Max(_step - 1, 0);
            }

            _elapsedNanos = pressure.ElapsedNanos;
            _waitedNanos = pressure.WaitedNanos;
        }
    }
}

/// <summary>Always the same level.</summary>
/// <param name="level">A zstd level, or null for raw.</param>
public sealed class FixedCompression(int? level) : IFrameCompressionPolicy
{
    public int? NextLevel(in CompressionPressure pressure) => level;
}
