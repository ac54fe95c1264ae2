namespace Floe.Store;

/// <summary>Chooses the zstd level of the next frame. Called by all sinks at the same time.</summary>
public interface IFrameCompressionPolicy
{
    /// <summary>A zstd level (negative: faster), or null to store the frame raw.</summary>
    int? NextLevel(in CompressionPressure pressure);
}

/// <summary>What the sinks of one writer have met so far.</summary>
/// <param name="ElapsedNanos">Since the writer began.</param>
/// <param name="WaitedNanos">Sum over all sinks of the time spent waiting for an upload buffer: the link is the bottleneck.</param>
/// <param name="Sinks">Sinks open now.</param>
public readonly record struct CompressionPressure(long ElapsedNanos, long WaitedNanos, int Sinks);
