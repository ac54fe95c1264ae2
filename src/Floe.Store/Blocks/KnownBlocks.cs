namespace Floe.Store;

/// <summary>
/// The blocks of one task that its packs hold already, by content. About 32 bytes of memory a block. Kept by an agent from
/// snapshot to snapshot; a restored agent fills it from the snapshot it came from. Safe for concurrent use.
/// </summary>
public sealed class KnownBlocks
{
    /// <summary>Number of blocks known.</summary>
    public long Count => throw new NotImplementedException();

    /// <summary>Learns every block of a stored snapshot from its packs' directories.</summary>
    public Task LoadAsync(SnapshotReader reader, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Whether a block of this content is stored: for pre-copy, which need not read on. The block is borrowed.</summary>
    public bool Contains(ReadOnlySpan<byte> block) => throw new NotImplementedException();
}
