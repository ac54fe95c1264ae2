namespace Floe.FileSystem.Content;

/// <summary>When each 8 MiB of a file was used last. Not synchronised.</summary>
internal sealed class ChunkUse
{
    public const long ChunkBytes = 8 << 20;

    public const long ChunkBlocks = ChunkBytes / BlockMap.BlockBytes;

    private readonly Dictionary<long, long> _ticks = [];

    public void Touch(long offset, long bytes, long tick)
    {
        for (var chunk = offset / ChunkBytes; chunk <= (offset + bytes - 1) / ChunkBytes; chunk++)
        {
            _ticks[chunk] = tick;
        }
    }

    public void Forget(long chunk) => _ticks.Remove(chunk);

    /// <summary>All chunks of which something is here: those that nobody used first, then the ones used longest ago.</summary>
    public IReadOnlyList<long> Oldest(BlockMap blocks)
    {
        List<long> chunks = [];
        for (var block = blocks.NextPresent(0); block >= 0; block = blocks.NextPresent((chunks[^1] + 1) * ChunkBlocks))
        {
            chunks.Add(block / ChunkBlocks);
        }

        return [.. chunks.OrderBy(c => _ticks.GetValueOrDefault(c)).ThenBy(c => c)];
    }
}
