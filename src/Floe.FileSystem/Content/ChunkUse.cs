namespace Floe.FileSystem.Content;

/// <summary>When each 8 MiB of a file was used last. Not synchronised.</summary>
internal sealed class ChunkUse
{
    public const long ChunkBytes = 8 << 20;

    private readonly Dictionary<long, long> _ticks = [];

    public void Touch(long offset, long tick) => _ticks[offset / ChunkBytes] = tick;

    public void Forget(long chunk) => _ticks.Remove(chunk);

    public IReadOnlyList<long> Oldest() => [.. _ticks.OrderBy(t => t.Value).ThenBy(t => t.Key).Select(t => t.Key)];
}
