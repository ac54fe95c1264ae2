using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>What is read in order comes from memory that all streams share: never other bytes than the file's, however short that memory is.</summary>
public sealed class StreamingTests
{
    private const int Piece = 128 << 10;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(8 << 20)]
    [InlineData(24 << 20)]
    public async Task ReadAsync_LittleMemoryAndLittleCache_GivesTheObjects(int memory)
    {
        await using var fixture = await StartAsync(o => o with { MaxStreamBytes = memory, MaxCacheBytes = 40 << 20 });
        var names = new[] { "a", "b", "c" };
        var contents = new List<FileContent>();
        foreach (var name in names)
        {
            contents.Add(await fixture.OpenAsync(name, Bytes(60_000_000, seed: name[0]), Token));
        }

        // Two readers of each, all at once.
        var read = await Task.WhenAll(contents.Concat(contents).Select(c => Task.Run(() => ReadAllAsync(c, Token), Token)));
        for (var i = 0; i < read.Length; i++)
        {
            AssertSame(Bytes(60_000_000, seed: names[i % 3][0]), read[i]);
        }
    }

    [Fact]
    public async Task ReadOrLendAsync_InOrder_LendsMuchOfIt()
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(60_000_000);
        var content = await fixture.OpenAsync("a", bytes, Token);
        // For a file that is open a range stays in memory until it was read.
        content.Open(canRead: true, canWrite: false);
        var lent = 0;
        var room = new byte[Piece];
        for (var at = 0; at < bytes.Length;)
        {
            var read = await content.ReadOrLendAsync(at, room, Token);
            using var loan = read.Loan;
            AssertSame(bytes[at..(at + read.Count)], (loan?.Bytes ?? room.AsMemory(0, read.Count)).ToArray());
            lent += loan is null ? 0 : read.Count;
            at += read.Count;
        }

        Assert.InRange(lent, bytes.Length / 4, bytes.Length);
        content.Close(canRead: true, canWrite: false);
    }

    [Fact]
    public async Task Loan_FileWrittenPublishedAndDroppedMeanwhile_KeepsItsBytesUntilReturned()
    {
        await using var fixture = await StartAsync(o => o with { MaxStreamBytes = 16 << 20 });
        var bytes = Bytes(60_000_000);
        var content = await fixture.OpenAsync("a", bytes, Token);
        content.Open(canRead: true, canWrite: true);
        var (loan, offset) = await BorrowAsync(content, from: 2 << 20);
        var (count, before) = (loan.Bytes.Length, loan.Bytes.ToArray());
        AssertSame(bytes[offset..(offset + count)], before);
        await content.WriteAsync(offset, Bytes(count, seed: 5), Token);
        var now = new byte[count];
        Assert.Equal(count, await content.ReadAsync(offset, now, Token));
        AssertSame(Bytes(count, seed: 5), now);
        await content.SyncAsync(Token);

        // The other half of the memory goes round many times while the loan is out.
        var other = await fixture.OpenAsync("b", Bytes(60_000_000, seed: 2), Token);
        AssertSame(Bytes(60_000_000, seed: 2), await ReadAllAsync(other, Token));
        content.Close(canRead: true, canWrite: true);
        content.Forget();
        AssertSame(before, loan.Bytes.ToArray());
        loan.Dispose();
        Bytes(count, seed: 5).CopyTo(bytes, offset);
        AssertSame(bytes, fixture.Server.Read("a"));
    }

    [Fact]
    public async Task ReadAsync_WhileAnotherWrites_GivesEachByteAsItWasOrAsItIs()
    {
        await using var fixture = await StartAsync(o => o with { MaxStreamBytes = 16 << 20 });
        const int Size = 48 << 20;
        var (old, written) = (Bytes(Size), Bytes(Size, seed: 7));
        var content = await fixture.OpenAsync("a", old, Token);
        content.Open(canRead: true, canWrite: true);
        var model = old.ToArray();
        var writing = Task.Run(
            async () =>
            {
                var random = new Random(3);
                for (var i = 0; i < 60; i++)
                {
                    var at = random.Next(Size / BlockMap.BlockBytes) * BlockMap.BlockBytes;
                    await content.WriteAsync(at, written.AsMemory(at, BlockMap.BlockBytes), Token);
                    written.AsSpan(at, BlockMap.BlockBytes).CopyTo(model.AsSpan(at));
                    if (i % 20 == 19)
                    {
                        await content.SyncAsync(Token);
                    }
                }
            },
            Token);
        while (!writing.IsCompleted)
        {
            var seen = await ReadAllAsync(content, Token);
            for (var at = 0; at < Size; at += BlockMap.BlockBytes)
            {
                var block = seen.AsSpan(at, BlockMap.BlockBytes);
                if (!block.SequenceEqual(old.AsSpan(at, BlockMap.BlockBytes)) && !block.SequenceEqual(written.AsSpan(at, BlockMap.BlockBytes)))
                {
                    // In the middle of being written: each byte is one of the two all the same.
                    Assert.All(Enumerable.Range(at, BlockMap.BlockBytes), i => Assert.True(seen[i] == old[i] || seen[i] == written[i], $"the byte at {i} is neither"));
                }
            }
        }

        await writing;
        AssertSame(model, await ReadAllAsync(content, Token));
        content.Close(canRead: true, canWrite: true);
        await content.SettleAsync();
        AssertSame(model, fixture.Server.Read("a"));
    }

    [Fact]
    public async Task TruncateAsync_BeforeWhatLiesInMemory_ReadsZerosWhereItWas()
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(40_000_000);
        var content = await fixture.OpenAsync("a", bytes, Token);
        content.Open(canRead: true, canWrite: true);
        var (loan, offset) = await BorrowAsync(content, from: 2 << 20);
        loan.Dispose();
        await content.TruncateAsync(offset, Token);
        await content.TruncateAsync(40_000_000, Token);
        bytes.AsSpan(offset).Clear();
        AssertSame(bytes, await ReadAllAsync(content, Token));
        content.Close(canRead: true, canWrite: true);
    }

    /// <summary>Several ranges are claimed at once and asked for one after the other: what is written in between is in none of them.</summary>
    [Fact]
    public async Task ReadAsync_WrittenWhileRangesAreBeingAskedFor_GivesWhatWasWritten()
    {
        for (var asked = 1; asked <= 12; asked++)
        {
            using var scratch = new ScratchFolder();
            var buckets = new MemoryBuckets(Tree.Bucket);
            await using var store = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = scratch["cache"], MaxCacheBytes = 256 << 20 });
            var bucket = buckets[Tree.Bucket];
            var model = Bytes(48 << 20);
            var etag = await bucket.PutAsync("a", model.ToArray(), ObjectHeaders.Empty, PutCondition.None, Token);
            var content = store.Open(new ObjectVersion(Tree.Bucket, "a", etag, model.Length), new ContentTarget(Tree.Bucket, "a"));
            content.Open(canRead: true, canWrite: true);
            var requests = 0;
            var isWritten = false;
            bucket.Before = (call, _) =>
            {
                if (call != "Get" || Interlocked.Increment(ref requests) != asked)
                {
                    return;
                }

                for (var at = 2 << 20; at < model.Length; at += 2 << 20)
                {
                    var block = Bytes(BlockMap.BlockBytes, seed: at);
                    Assert.True(content.WriteAsync(at, block, Token).AsTask().IsCompletedSuccessfully);
                    block.CopyTo(model, at);
                }

                isWritten = true;
            };
            var room = new byte[Piece];
            for (var at = 0; at < model.Length; at += Piece)
            {
                var wasWritten = isWritten;
                var count = await content.ReadAsync(at, room, Token);
                if (wasWritten)
                {
                    AssertSame(model[at..(at + count)], room[..count]);
                }
            }

            Assert.True(isWritten);
            content.Close(canRead: true, canWrite: true);
        }
    }

    /// <summary>Reads in order until a read behind an offset is lent.</summary>
    private static async Task<(StreamedLoan Loan, int Offset)> BorrowAsync(FileContent content, int from)
    {
        var room = new byte[Piece];
        for (var at = 0; at < content.Size; at += Piece)
        {
            if ((await content.ReadOrLendAsync(at, room, Token)).Loan is not { } loan)
            {
                continue;
            }

            if (at >= from)
            {
                return (loan, at);
            }

            loan.Dispose();
        }

        throw new InvalidOperationException("nothing was lent");
    }
}
