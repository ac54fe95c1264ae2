namespace Floe.Store;

/// <summary>Chooses how the next frame is compressed. Called by all sinks at the same time.</summary>
public interface IFrameCompressionPolicy
{
    FrameEncoding Next(in CompressionPressure pressure);
}

/// <param name="Codec">With which library.</param>
/// <param name="Level">Of zstd alone (negative: faster).</param>
public readonly record struct FrameEncoding(FrameCodec Codec, int Level = 0);

/// <summary>What the sinks of one writer have met so far.</summary>
/// <param name="ElapsedNanos">Since the writer began.</param>
/// <param name="WaitedNanos">Sum over all sinks of the time spent waiting for an upload buffer: the link is the bottleneck.</param>
/// <param name="Sinks">Sinks open now.</param>
/// <param name="StoredBytes">What full packs hold, sent or not.</param>
/// <param name="UploadedBytes">What of it is durable.</param>
public readonly record struct CompressionPressure(long ElapsedNanos, long WaitedNanos, int Sinks, long StoredBytes, long UploadedBytes);
