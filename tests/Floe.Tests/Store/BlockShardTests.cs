using System.Buffers.Binary;
using Floe.Store.Blocks;
using Xunit;

namespace Floe.Tests.Store;

public sealed class BlockShardTests
{
    private const int Blocks = 20_000;

    [Fact]
    public void FindOrAdd_ManyBlocks_FindsEachAndLeavesNoOutgrownTables()
    {
        // What a table needs for growing serves all shards of a thread.
        Assert.True(AreNew(new BlockShard()));
        var shard = new BlockShard();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.True(AreNew(shard));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 24 * Blocks, 45 * Blocks);
        Assert.Equal(Blocks, shard.Count);
        for (var i = 0; i < Blocks; i++)
        {
            shard.FindOrAdd(Id(i), Location(i + 1), out var found, out var existing);
            Assert.True(found);
            Assert.Equal(Location(i), existing);
            Assert.True(shard.TryFind(Id(i), out var location));
            Assert.Equal(existing, location);
        }

        Assert.False(shard.TryFind(Id(Blocks), out _));
    }

    [Fact]
    public void Replace_GivesTheNewPlace()
    {
        var shard = new BlockShard();
        Assert.False(shard.TryFind(Id(0), out _));
        shard.FindOrAdd(Id(0), Location(0), out _, out _);
        shard.Replace(Id(0), Location(7));
        Assert.True(shard.TryFind(Id(0), out var location));
        Assert.Equal(Location(7), location);
        Assert.Equal(1, shard.Count);
    }

    private static bool AreNew(BlockShard shard)
    {
        var areNew = true;
        for (var i = 0; i < Blocks; i++)
        {
            shard.FindOrAdd(Id(i), Location(i), out var found, out var existing);
            areNew &= !found && existing == Location(i);
        }

        return areNew;
    }

    private static BlockId Id(int i)
    {
        Span<byte> block = stackalloc byte[16];
        BinaryPrimitives.WriteInt32LittleEndian(block, i);
        return BlockId.Of(block, default);
    }

    private static BlockLocation Location(int i) => new((uint)(i / 1000) + 1, i % 1000);
}
