using System.Buffers.Binary;
using Floe.Store;
using Floe.Store.Blocks;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Blocks that are made to have one hash. XXH3 multiplies the halves of each input word under a public secret: a word whose lower half is the
/// secret's counts only as a summand, and the upper halves of two such words can be swapped.</summary>
public sealed class BlockSeedTests
{
    private static readonly byte[] s_one = Block(0x11111111, 0x22222222);
    private static readonly byte[] s_other = Block(0x22222222, 0x11111111);

    [Fact]
    public void Of_BlocksMadeToCollide_DifferWithASeedOnly()
    {
        Assert.False(s_one.AsSpan().SequenceEqual(s_other));
        Assert.Equal(BlockId.Of(s_one, default), BlockId.Of(s_other, default));
        for (var i = 0; i < 100; i++)
        {
            var seed = BlockSeed.New();
            Assert.NotEqual(BlockId.Of(s_one, seed), BlockId.Of(s_other, seed));
        }
    }

    [Fact]
    public async Task ReadStreamsAsync_BlocksMadeToCollide_EachComesBack()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var streams = new Dictionary<string, byte[]> { ["a"] = s_one, ["b"] = s_other };
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), streams);
        Assert.Equal(["blockSeed"], manifest.RequiredFeatures);
        AssertEqual(streams, await ReadAllAsync(await OpenNewestAsync(store)));
        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    [Fact]
    public async Task Learn_RestoredSnapshot_NextOneHasItsSeedAndFindsItsBlocks()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var streams = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) };
        var first = await WriteAsync(store, lease, new KnownBlocks(), streams);
        var reader = await OpenNewestAsync(store);
        await ReadAllAsync(reader);
        var known = new KnownBlocks();
        known.Learn(reader);
        var second = await WriteAsync(store, lease, known, streams);
        Assert.Equal((first.BlockSeed, 0L), (second.BlockSeed, second.Totals.NewBytes));
    }

    /// <summary>A task from before there were seeds goes on without: all of it would have to be sent again.</summary>
    [Fact]
    public async Task Learn_SnapshotWithoutASeed_NextOneHasNoneAndFindsItsBlocks()
    {
        var objects = await GoldenStore.OpenAsync("v1", _ => throw new InvalidOperationException("it is there"));
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var reader = await OpenNewestAsync(store);
        var streams = await ReadAllAsync(reader);
        var known = new KnownBlocks();
        known.Learn(reader);
        var next = await WriteAsync(store, lease, known, streams.Where(s => s.Key == "criu/pages-1.img").ToDictionary());
        Assert.Null(next.BlockSeed);
        Assert.Empty(next.RequiredFeatures);
        Assert.Equal(0, next.Totals.NewBytes);
    }

    [Fact]
    public async Task Learn_AnotherSeedWhenBlocksAreKnown_IsRefused()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var streams = new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 1000) };
        await WriteAsync(store, lease, new KnownBlocks(), streams);
        var reader = await OpenNewestAsync(store);
        var known = new KnownBlocks();
        await WriteAsync(store, lease, known, streams);
        Assert.Throws<InvalidOperationException>(() => known.Learn(reader));
    }

    private static byte[] Block(uint first, uint second)
    {
        // Words of two stripes of 64 bytes, with what the secret of XXH3 has in the lower halves of its first two words.
        var block = RandomBytes(7, BlockFormat.MaxBlockBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(block, ((ulong)first << 32) | 0x396CFEB8);
        BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(64), ((ulong)second << 32) | 0x2C81017C);
        return block;
    }
}
