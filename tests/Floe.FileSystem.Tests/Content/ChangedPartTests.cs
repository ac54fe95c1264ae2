using Floe.FileSystem.Content;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Parts that change while they are on their way: what the service has of them is never in doubt, or the bytes stay here.</summary>
public sealed class ChangedPartTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task UploadPart_StoppedBeforeItsEnd_NeverArrives()
    {
        await using var upload = await UploadOfAFileAsync();
        upload.Stop.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(upload.SendAsync);
        Assert.Empty(await upload.PartsAsync());
    }

    [Fact]
    public async Task Close_ObjectOfWhichS3CopiesNoRangeAndAnUploadUnderWay_IsSentWhole()
    {
        await using var fixture = await ContentFixture.StartAsync();
        var bytes = Bytes(3_000_000);
        var content = await fixture.OpenAsync("a", bytes, Token);
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(bytes.Length, Bytes(9 << 20, seed: 2), Token);
        await content.WriteAsync(12 << 20, Bytes(10, seed: 3), Token);
        while (fixture.Server.OpenUploadCount == 0)
        {
            await Task.Delay(5, Token);
        }

        await content.TruncateAsync(2_000_000, Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes[..2_000_000], fixture.Server.Read("a"));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    [Fact]
    public async Task UploadPart_StoppedWhenAllIsSent_IsWaitedFor()
    {
        await using var upload = await UploadOfAFileAsync();
        upload.AtPart(upload.Stop.Cancel, isLost: false);
        var sent = await upload.SendAsync();
        Assert.Equal(sent.ETag, Assert.Single(await upload.PartsAsync()).ETag);
    }

    [Fact]
    public async Task UploadPart_StoppedAfterAnAnswerWasLost_DoesNotSayThatNothingArrived()
    {
        await using var upload = await UploadOfAFileAsync();
        upload.AtPart(upload.Stop.Cancel, isLost: true);
        await Assert.ThrowsAsync<ObjectStoreException>(upload.SendAsync);
        Assert.Single(await upload.PartsAsync());
    }

    [Fact]
    public async Task Evict_OlderBytesOfASentPartMayStillArrive_TheyStayHereAndInASnapshot()
    {
        await using var fixture = await ContentFixture.StartAsync(changeS3: o => o with { MaxAttempts = 1 });
        var expected = Bytes(20 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer, 1) { Where = c => c.Query.Contains("partNumber=1&", StringComparison.Ordinal) });
        await WriteAsync(content, expected, 0, 9 << 20);
        while (fixture.Server.OpenPartCount < 1 || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        Bytes(1000, seed: 2).CopyTo(expected, 0);
        await content.WriteAsync(0, expected.AsMemory(0, 1000), Token);
        await WriteAsync(content, expected, 9 << 20, expected.Length);
        while (content.Relieve() || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        // Parts 1 and 2 are up; of these only part 2 goes, and is left out of a snapshot. Part 3 is not full.
        var captured = content.Capture(carriesAll: false)!;
        Assert.Equal([(0L, 8L << 20), (16L << 20, 4L << 20)], captured.Ranges.Select(r => (r.Offset, r.Count)));
        Assert.Equal(2, Assert.Single(captured.Upload!.Parts).Number);
        content.EndCapture(isDropped: true);
        content.Evict(long.MaxValue, waits: true);
        Assert.Equal(12 << 20, content.CachedBytes);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("out"));
    }

    [Theory]
    [InlineData(100)]
    [InlineData(9_000_000)]
    [InlineData(17_000_000)]
    public async Task Truncate_WhilePartsAreSent_TheRestIsPublished(int length)
    {
        await using var fixture = await ContentFixture.StartAsync();
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        var isFirst = true;
        var isCut = new TaskCompletionSource();
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
        {
            Where = c =>
            {
                if (isFirst && c.Query.Contains("partNumber=2&", StringComparison.Ordinal))
                {
                    isFirst = false;
                    content.TruncateAsync(length, Token).AsTask().GetAwaiter().GetResult();
                    content.Close(canRead: false, canWrite: true);
                    isCut.SetResult();
                }

                return false;
            },
        });
        // The last write begins the third part, and so sends the second.
        var expected = Bytes(17 << 20);
        await WriteAsync(content, expected, 0, expected.Length);
        await isCut.Task.WaitAsync(Token);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected[..length], fixture.Server.Read("out"));
    }

    private static async Task WriteAsync(FileContent content, byte[] bytes, int from, int to)
    {
        for (var at = from; at < to; at += 1 << 20)
        {
            await content.WriteAsync(at, bytes.AsMemory(at, 1 << 20), Token);
        }
    }

    private static async Task<UploadOfAFile> UploadOfAFileAsync()
    {
        var fixture = await ContentFixture.StartAsync();
        var client = fixture.Buckets.Open(S3Double.Bucket);
        return new UploadOfAFile(fixture, client, await client.CreateUploadAsync("out", ObjectHeaders.Empty, Token));
    }

    /// <summary>One part, of one piece of the client's.</summary>
    private sealed class UploadOfAFile(ContentFixture fixture, IBucketClient client, UploadTicket ticket) : IAsyncDisposable
    {
        private readonly ScratchFolder _scratch = new();

        public CancellationTokenSource Stop { get; } = new();

        public void AtPart(Action action, bool isLost) => fixture.Server.Faults.Add(new(S3DoubleFaultKind.LoseAnswer, 1)
        {
            Where = c =>
            {
                if (c.Query.Contains("partNumber", StringComparison.Ordinal))
                {
                    action();
                    return isLost;
                }

                return false;
            },
        });

        public async Task<UploadedPart> SendAsync()
        {
            await File.WriteAllBytesAsync(_scratch["part"], Bytes(200_000), Token);
            using var file = File.OpenHandle(_scratch["part"]);
            return await client.UploadPartAsync(ticket, 1, file, 0, 200_000, null, Stop.Token, Token);
        }

        public async Task<IReadOnlyList<UploadedPart>> PartsAsync() => (await client.ListPartsAsync(ticket.Key, ticket.UploadId, Token))!;

        public async ValueTask DisposeAsync()
        {
            Stop.Dispose();
            _scratch.Dispose();
            await fixture.DisposeAsync();
        }
    }
}
