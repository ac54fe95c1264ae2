using System.IO.Hashing;
using System.Runtime.CompilerServices;

namespace Floe.Store.Blocks;

/// <summary>
/// A block's identity inside one task: XxHash128 of its raw bytes with the task's seed, and their count. Not cryptographic: it stands against
/// chance and against bytes made without knowing the seed, not against a task that forges collisions of its own memory, and no block is ever shared
/// between tasks.
/// </summary>
internal readonly record struct BlockId(UInt128 Hash, int Length)
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static BlockId Of(ReadOnlySpan<byte> block, BlockSeed seed) => new(XxHash128.HashToUInt128(block, (long)seed.Value), block.Length);
}

/// <summary>Where a block lies: which frame, and the how-manieth block in it.</summary>
internal readonly record struct BlockLocation(uint Frame, int Ordinal)
{
    /// <summary>Blocks in a frame are numbered with 10 bits.</summary>
    public const int MaxBlocksPerFrame = 1024;
}
