namespace Floe.Store.Blocks;

/// <summary>
/// For every frame known to an agent: the pack it is in and how many blocks it has. 8 bytes a frame. Writers to one frame are
/// single (the sink that made it, or the pack it went into); readers are many.
/// </summary>
internal sealed class FrameTable
{
    /// <summary>The frame is still open or on its way into a pack of the current writer.</summary>
    public const int Open = 0;

    /// <summary>The frame's pack never became durable, or was removed: nothing may refer to it.</summary>
    public const int Dead = -1;

    private const int ChunkBits = 10;
    private const int ChunkFrames = 1 << ChunkBits;

    private readonly Lock _growth = new();
    private volatile long[]?[] _chunks = new long[]?[64];

    /// <summary>Pack index (1, 2, …), <see cref="Open"/> or <see cref="Dead"/>, and the block count (0 while the frame is open).</summary>
    public (int Pack, int Blocks) Get(uint frame)
    {
        var chunks = _chunks;
        var chunk = frame >> ChunkBits;
        if (chunk >= chunks.Length || chunks[chunk] is not { } entries)
        {
            return (Dead, 0);
        }

        var entry = Volatile.Read(ref entries[frame & (ChunkFrames - 1)]);
        return ((int)(entry >> 32), (int)(entry & 0xFFFF));
    }

    public void Set(uint frame, int pack, int blocks)
    {
        var entries = Chunk(frame);
        Volatile.Write(ref entries[frame & (ChunkFrames - 1)], ((long)pack << 32) | (uint)blocks);
    }

    /// <summary>Marks every frame dead whose pack is one of those.</summary>
    public void Kill(Func<int, bool> packs)
    {
        foreach (var entries in _chunks)
        {
            for (var i = 0; entries is not null && i < entries.Length; i++)
            {
                var entry = Volatile.Read(ref entries[i]);
                if ((int)(entry >> 32) >= 0 && packs((int)(entry >> 32)))
                {
                    Volatile.Write(ref entries[i], (long)Dead << 32);
                }
            }
        }
    }

    private long[] Chunk(uint frame)
    {
        var chunk = frame >> ChunkBits;
        var chunks = _chunks;
        if (chunk < chunks.Length && Volatile.Read(ref chunks[chunk]) is { } entries)
        {
            return entries;
        }

        lock (_growth)
        {
            chunks = _chunks;
            if (chunk >= chunks.Length)
            {
                Array.Resize(ref chunks, (int)Math.Max(chunk + 1, chunks.Length * 2L));
                _chunks = chunks;
            }

            if (chunks[chunk] is null)
            {
                var fresh = new long[ChunkFrames];
                Array.Fill(fresh, (long)Dead << 32);
                Volatile.Write(ref chunks[chunk], fresh);
            }

            return chunks[chunk]!;
        }
    }
}
