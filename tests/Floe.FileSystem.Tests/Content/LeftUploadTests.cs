using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Multipart uploads that nobody wants any more.</summary>
public sealed class LeftUploadTests : IAsyncDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private readonly ContentStore _store;

    public LeftUploadTests() => _store = new ContentStore(_buckets, new ContentStoreOptions { CacheFolder = _scratch["cache"], MaxCacheBytes = 64 << 20 });

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    [Theory]
    [InlineData("CreateUpload")]
    [InlineData("Put")]
    public async Task Close_CutToLittleWhileItsUploadBegins_LeavesNone(string last)
    {
        using var goOn = new ManualResetEventSlim();
        using var wait = new ManualResetEventSlim();
        Bucket.Before = (call, _) =>
        {
            // Which of the two ends last.
            (call == "CreateUpload" && last == "CreateUpload" ? goOn : call == "Put" && last == "Put" ? wait : null)?.Wait(Token);
            if (call == "CreateUpload" && last == "Put")
            {
                goOn.Wait(Token);
            }
        };
        var content = _store.Create(new ContentTarget(Tree.Bucket, "out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(9 << 20), Token);
        await CalledAsync("CreateUpload out");
        await content.TruncateAsync(10, Token);
        content.Close(canRead: false, canWrite: true);
        await CalledAsync("Put out");
        if (last == "CreateUpload")
        {
            Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        }

        goOn.Set();
        while (Bucket.OpenUploads == 0 && last == "Put")
        {
            await Task.Delay(5, Token);
        }

        wait.Set();
        Assert.Empty(await _store.DrainAsync(includingOpen: false, Token));
        await CalledAsync("AbortUpload out");
        await _store.DrainAsync(includingOpen: false, Token);
        Assert.Equal(0, Bucket.OpenUploads);
        AssertSame(Bytes(10), Bucket.Content("out"));
    }

    [Fact]
    public async Task Drop_UploadUnderWay_IsAborted()
    {
        var content = await StartedAsync();
        await CalledAsync("UploadPart out");
        content.Drop(keepsFile: true);
        await CalledAsync("AbortUpload out");
        await _store.DrainAsync(includingOpen: false, Token);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    /// <summary>S3 may keep a part that ends after the abort.</summary>
    [Fact]
    public async Task Detach_PartOnItsWay_TheAbortComesAfterIt()
    {
        using var goOn = new ManualResetEventSlim();
        var (isSent, isAbortedAfter) = (false, false);
        Bucket.Before = (call, _) =>
        {
            switch (call)
            {
                case "UploadPart":
                    goOn.Wait(Token);
                    Volatile.Write(ref isSent, true);
                    break;
                case "AbortUpload":
                    isAbortedAfter = Volatile.Read(ref isSent);
                    break;
            }
        };
        var content = await StartedAsync();
        await CalledAsync("UploadPart out");
        using (var detachment = await content.PrepareDetachAsync(isOpen: true, Token))
        {
            await detachment.CompleteAsync();
        }

        Assert.DoesNotContain("AbortUpload out", Bucket.CallsSoFar);
        goOn.Set();
        await CalledAsync("AbortUpload out");
        await _store.DrainAsync(includingOpen: false, Token);
        Assert.True(isAbortedAfter);
        Assert.Equal(0, Bucket.OpenUploads);
    }

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _scratch.Dispose();
    }

    private async Task<FileContent> StartedAsync()
    {
        var content = _store.Create(new ContentTarget(Tree.Bucket, "out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(9 << 20), Token);
        return content;
    }

    private async Task CalledAsync(string call)
    {
        while (!Bucket.CallsSoFar.Contains(call))
        {
            await Task.Delay(5, Token);
        }
    }
}
