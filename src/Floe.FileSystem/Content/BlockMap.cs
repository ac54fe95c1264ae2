using System.Numerics;

namespace Floe.FileSystem.Content;

/// <summary>
/// What is known of each block of a file, two bits a block. Present: its bytes are in the local file. Dirty: the bucket's object does not have them.
/// Dirty and not present: they are in a sent part of the upload under way, and nowhere else. Neither: they are the object's, or zeros behind its end.
/// Not synchronised: the content's lock guards it.
/// </summary>
internal sealed class BlockMap
{
    /// <summary>The grain of caching, in bytes.</summary>
    public const int BlockBytes = 64 << 10;

    private ulong[] _present = new ulong[2];
    private ulong[] _dirty = new ulong[2];

    public long PresentCount { get; private set; }

    public long DirtyCount { get; private set; }

    /// <summary>Blocks below this one may have a bit set; none above has.</summary>
    public long Limit => (long)_present.Length * 64;

    public static long BlockOf(long offset) => offset / BlockBytes;

    /// <summary>The number of blocks that hold so many bytes.</summary>
    public static long BlocksOf(long bytes) => (bytes + BlockBytes - 1) / BlockBytes;

    public bool IsPresent(long block) => Get(_present, block);

    /// <summary>The first block that is present, from this one on; -1: none.</summary>
    public long NextPresent(long block)
    {
        var left = ulong.MaxValue << (int)(block & 63);
        for (var word = block >> 6; word < _present.Length; word++, left = ulong.MaxValue)
        {
            if ((_present[word] & left) is var bits and not 0)
            {
                return (word << 6) + BitOperations.TrailingZeroCount(bits);
            }
        }

        return -1;
    }

    public bool IsDirty(long block) => Get(_dirty, block);

    /// <summary>Sent in a part and dropped here.</summary>
    public bool IsAway(long block) => Get(_dirty, block) && !Get(_present, block);

    /// <summary>True if it was not so before.</summary>
    public bool SetPresent(long block)
    {
        var isNew = Set(ref _present, block);
        PresentCount += isNew ? 1 : 0;
        return isNew;
    }

    public void SetDirty(long block) => DirtyCount += Set(ref _dirty, block) ? 1 : 0;

    public bool ClearPresent(long block)
    {
        var wasSet = Clear(_present, block);
        PresentCount -= wasSet ? 1 : 0;
        return wasSet;
    }

    public void ClearDirty(long block) => DirtyCount -= Clear(_dirty, block) ? 1 : 0;

    private static bool Get(ulong[] bits, long block)
    {
        var word = block >> 6;
        return word < bits.Length && (bits[word] >> (int)(block & 63) & 1) != 0;
    }

    private static bool Clear(ulong[] bits, long block)
    {
        if (!Get(bits, block))
        {
            return false;
        }

        bits[block >> 6] &= ~(1UL << (int)(block & 63));
        return true;
    }

    private bool Set(ref ulong[] bits, long block)
    {
        var word = block >> 6;
        if (word >= bits.Length)
        {
            var length = (int)Math.Max(word + 1, bits.Length * 2L);
            Array.Resize(ref _present, length);
            Array.Resize(ref _dirty, length);
        }

        if ((bits[word] >> (int)(block & 63) & 1) != 0)
        {
            return false;
        }

        bits[word] |= 1UL << (int)(block & 63);
        return true;
    }
}
