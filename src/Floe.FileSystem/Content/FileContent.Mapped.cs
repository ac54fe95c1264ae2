using System.IO.Hashing;

namespace Floe.FileSystem.Content;

/// <summary>
/// Changes of the local file that came past this object: through shared mappings of a file that the kernel has been given (FUSE passthrough).
/// Nothing tells of them (tmpfs does not even move the modification time), so blocks are compared by their hashes.
/// </summary>
public sealed partial class FileContent
{
    /// <summary>A hash for each block of the local file as it is now.</summary>
    internal UInt128[] HashBlocks()
    {
        var hashes = new UInt128[BlockMap.BlocksOf(Size)];
        var block = new byte[BlockMap.BlockBytes];
        for (var i = 0; i < hashes.Length; i++)
        {
            _local!.Read(i * BlockMap.BlockBytes, block);
            hashes[i] = XxHash128.HashToUInt128(block);
        }

        return hashes;
    }

    /// <summary>Blocks whose hashes differ from the known ones count as written. Gives the hashes of now; null: nothing differs.</summary>
    internal async Task<UInt128[]?> TakeMappedAsync(UInt128[] known, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var hashes = HashBlocks();
            var changed = Enumerable.Range(0, hashes.Length).Where(i => i >= known.Length || hashes[i] != known[i]).ToList();
            if (changed.Count == 0)
            {
                return null;
            }

            using (_fill.Take())
            {
                lock (_lock)
                {
                    foreach (var block in changed)
                    {
                        if (_blocks.SetPresent(block) && !TryOverdraw(BlockMap.BlockBytes))
                        {
                            // A hole of the file: space that nobody reserved.
                            _store.Space.Release(-BlockMap.BlockBytes);
                        }

                        _blocks.SetDirty(block);
                    }

                    foreach (var part in changed.Select(b => PartGrid.Number(b * BlockMap.BlockBytes)).Distinct())
                    {
                        ChangePart(part);
                    }

                    _changes++;
                }
            }

            return hashes;
        }
        finally
        {
            _gate.Release();
        }
    }
}
