using Floe.FileSystem.Content;
using Floe.S3;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

public sealed class WritingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(8 << 20)]
    [InlineData((8 << 20) + 1)]
    [InlineData(30_000_001)]
    public async Task Close_FileWrittenInOrder_IsTheObject(int size)
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(size));
        Assert.Null(fixture.Server.Read("out"));
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(size), fixture.Server.Read("out"));
        Assert.False(content.IsDirty);
        AssertSame(Bytes(size), await ReadAllAsync(content, Token));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    [Fact]
    public async Task WriteAsync_PartsThatTheWriterHasLeft_GoUpMeanwhile()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(30_000_000));
        await WaitAsync(() => fixture.Server.Calls.Count(c => c.Query.Contains("partNumber", StringComparison.Ordinal)) == 3);
        content.Close(canRead: false, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        Assert.Equal(4, fixture.Server.Calls.Count(c => c.Query.Contains("partNumber", StringComparison.Ordinal)));
        AssertSame(Bytes(30_000_000), fixture.Server.Read("out"));
    }

    [Fact]
    public async Task Close_PartChangedAfterItWasSent_IsSentAgain()
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(30_000_000);
        var content = await WriteAsync(fixture, "out", bytes);
        await WaitAsync(() => fixture.Server.Calls.Count(c => c.Query.Contains("partNumber", StringComparison.Ordinal)) == 3);
        await content.WriteAsync(100, Bytes(50, seed: 9), Token);
        Bytes(50, seed: 9).CopyTo(bytes, 100);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, fixture.Server.Read("out"));
    }

    [Fact]
    public async Task Close_SmallChangeOfALargeObject_CopiesWhatIsUntouched()
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(64 << 20);
        var content = await fixture.OpenAsync("big", bytes, Token);
        content.Open(canRead: true, canWrite: true);
        await content.WriteAsync(20_000_000, Bytes(10, seed: 3), Token);
        Bytes(10, seed: 3).CopyTo(bytes, 20_000_000);
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, fixture.Server.Read("big"));
        Assert.InRange(fixture.Server.BytesSent, 1, 9 << 20);
        AssertSame(bytes, await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task SyncAsync_WriterStillOpen_MakesTheObjectAndGoesOn()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "log", Bytes(9_000_000));
        await content.SyncAsync(Token);
        AssertSame(Bytes(9_000_000), fixture.Server.Read("log"));
        await content.AppendAsync(Bytes(100, seed: 4), Token);
        content.Close(canRead: false, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        AssertSame([.. Bytes(9_000_000), .. Bytes(100, seed: 4)], fixture.Server.Read("log"));
    }

    [Fact]
    public async Task TruncateAsync_ShorterThenLonger_LeavesZeros()
    {
        await using var fixture = await StartAsync();
        var content = await fixture.OpenAsync("a", Bytes(1_000_000), Token);
        content.Open(canRead: true, canWrite: true);
        await content.TruncateAsync(100_000, Token);
        await content.TruncateAsync(300_000, Token);
        byte[] expected = [.. Bytes(1_000_000).AsSpan(0, 100_000), .. new byte[200_000]];
        AssertSame(expected, await ReadAllAsync(content, Token));
        content.Close(canRead: true, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        AssertSame(expected, fixture.Server.Read("a"));
    }

    [Fact]
    public async Task Close_AnotherWroteTheObjectMeanwhile_OverwritesNothingAndKeepsTheBytes()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(20_000_000));
        fixture.Server.Write("out", Bytes(3, seed: 7));
        content.Close(canRead: false, canWrite: true);
        var failure = Assert.Single(await fixture.Store.DrainAsync(includingOpen: false, Token));
        Assert.Equal(ContentErrorKind.Conflict, failure.Error.Kind);
        AssertSame(Bytes(3, seed: 7), fixture.Server.Read("out"));
        await fixture.Store.DisposeAsync();
        var kept = Assert.Single(Directory.GetFiles(Path.Combine(fixture.CacheFolder, "kept")));
        AssertSame(Bytes(20_000_000), await File.ReadAllBytesAsync(kept, Token));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    [Fact]
    public async Task WriteAsync_MoreThanTheCacheHolds_WaitsForTheUploadsAndIsTheObject()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = await WriteAsync(fixture, "out", Bytes(120_000_000));
        Assert.InRange(content.CachedBytes, 1, 24 << 20);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(120_000_000), fixture.Server.Read("out"));
        AssertSame(Bytes(120_000_000), await ReadAllAsync(content, Token));
    }

    [Fact]
    public async Task ReadAsync_PartsThatAreOnlyInTheUpload_PublishesAndReads()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var content = await WriteAsync(fixture, "out", Bytes(100_000_000));
        AssertSame(Bytes(100_000_000), await ReadAllAsync(content, Token));
        await content.WriteAsync(10, Bytes(5, seed: 8), Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        var expected = Bytes(100_000_000);
        Bytes(5, seed: 8).CopyTo(expected, 10);
        AssertSame(expected, fixture.Server.Read("out"));
    }

    [Fact]
    public async Task WriteAsync_CacheFullOfPartsThatLackTheObjectsBytes_SendsThemAllTheSame()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var expected = Bytes(64 << 20);
        var content = await fixture.OpenAsync("out", expected, Token);
        content.Open(canRead: false, canWrite: true);
        // Every second block: no part is whole in the cache, and the cache holds less than what is written.
        for (var at = 0; at < expected.Length; at += 128 << 10)
        {
            var piece = Bytes(64 << 10, seed: at);
            piece.CopyTo(expected, at);
            await content.WriteAsync(at, piece, Token);
        }

        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(expected, fixture.Server.Read("out"));
    }

    [Fact]
    public async Task WriteAsync_CacheFullAndTheServiceRefuses_IsNoSpace()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 }, o => o with { MaxAttempts = 2 });
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method is "PUT" or "POST" });
        var error = await Assert.ThrowsAsync<ContentException>(() => WriteAsync(fixture, "out", Bytes(64 << 20)));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
        Assert.InRange(fixture.Server.CallCount, 1, 100);
    }

    [Fact]
    public async Task WriteAsync_CacheFullOfSmallOpenFiles_IsNoSpace()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var error = await Assert.ThrowsAsync<ContentException>(() => WriteAsync(fixture, "out", Bytes(2_000_000)));
        Assert.Equal(ContentErrorKind.NoSpace, error.Kind);
    }

    [Theory]
    [InlineData(S3DoubleFaultKind.Error)]
    [InlineData(S3DoubleFaultKind.ResetInRequest)]
    [InlineData(S3DoubleFaultKind.LoseAnswer)]
    [InlineData(S3DoubleFaultKind.CorruptRequest)]
    public async Task Close_FaultsThatPass_IsTheObject(S3DoubleFaultKind kind)
    {
        await using var fixture = await StartAsync();
        fixture.Server.Faults.Add(new(kind, 8) { Where = c => c.Method is "PUT" or "POST" && !c.Query.Contains("uploads", StringComparison.Ordinal) });
        var small = await WriteAsync(fixture, "small", Bytes(10_000));
        small.Close(canRead: false, canWrite: true);
        var large = await WriteAsync(fixture, "large", Bytes(30_000_000));
        large.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(10_000), fixture.Server.Read("small"));
        AssertSame(Bytes(30_000_000), fixture.Server.Read("large"));
    }

    [Fact]
    public async Task Close_UploadAbortedByAnother_BeginsANewOne()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(30_000_000));
        await WaitAsync(() => fixture.Server.Calls.Count(c => c.Query.Contains("partNumber", StringComparison.Ordinal)) == 3);
        var bucket = fixture.Buckets.Open(S3Double.Bucket);
        await foreach (var upload in bucket.ListUploadsAsync("", Token))
        {
            await bucket.AbortUploadAsync(upload.Key, upload.UploadId, Token);
        }

        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(30_000_000), fixture.Server.Read("out"));
    }

    [Fact]
    public async Task SyncAsync_ServiceRefusesForGood_FailsAndSucceedsLater()
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 }, o => o with { MaxAttempts = 2 });
        var content = await WriteAsync(fixture, "out", Bytes(1000));
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        var error = await Assert.ThrowsAsync<ContentException>(() => content.SyncAsync(Token));
        Assert.Equal(ContentErrorKind.AccessDenied, error.Kind);
        fixture.Server.Faults.Clear();
        await content.SyncAsync(Token);
        Assert.Null(content.Failure);
        AssertSame(Bytes(1000), fixture.Server.Read("out"));
    }

    [Fact]
    public async Task SyncAsync_UploadOfALargeFileRefused_FailsAsThatOfASmallOne()
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 }, o => o with { MaxAttempts = 2 });
        RefuseUploads(fixture);
        var content = await WriteAsync(fixture, "out", Bytes(20_000_000));
        var error = await Assert.ThrowsAsync<ContentException>(() => content.SyncAsync(Token));
        Assert.Equal(ContentErrorKind.AccessDenied, error.Kind);
        Assert.Same(error, content.Failure);
    }

    [Fact]
    public async Task DrainAsync_UploadOfAnOpenLargeFileRefused_TellsAndWaitsForTheOthers()
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 }, o => o with { MaxAttempts = 2 });
        RefuseUploads(fixture);
        await WriteAsync(fixture, "large", Bytes(20_000_000));
        await WriteAsync(fixture, "small", Bytes(1000));
        var failure = Assert.Single(await fixture.Store.DrainAsync(includingOpen: true, Token));
        Assert.Equal("large", failure.Target.Key);
        AssertSame(Bytes(1000), fixture.Server.Read("small"));
    }

    [Fact]
    public async Task SyncAsync_GivenUpWhileItWaitsForMemory_LeavesTheLimitAsItIs()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(1_000_000));
        for (var taken = 0; taken < ContentStore.MaxLargeBodies; taken++)
        {
            await fixture.Store.EnterSmallAsync(1_000_000, Token);
        }

        using var given = new CancellationTokenSource();
        var sync = content.SyncAsync(given.Token);
        await given.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sync);
        // Its own kind of slot is taken, and the other kind has no more than it had.
        using var last = new CancellationTokenSource();
        var small = Enumerable.Range(0, 33).Select(_ => fixture.Store.EnterSmallAsync(1000, last.Token)).ToList();
        Assert.Equal(32, small.Count(s => s.IsCompleted));
        await last.CancelAsync();
    }

    [Fact]
    public async Task Close_CredentialsExpireMidway_GoesOnWithNewOnes()
    {
        await using var server = await S3Double.StartAsync();
        var keys = new ChangingCredentials(server);
        await using var fixture = await StartAsync();
        _ = fixture;
        await using var buckets = server.OpenBuckets(credentials: keys);
        using var folder = new Floe.Testing.ScratchFolder();
        await using var store = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 256 << 20 });
        var content = store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(20_000_000), Token);
        server.Keys = new AccessKeys("AKIANEW", "new/secret", "token");
        await content.WriteAsync(20_000_000, Bytes(20_000_000, seed: 2), Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await store.DrainAsync(includingOpen: false, Token));
        AssertSame([.. Bytes(20_000_000), .. Bytes(20_000_000, seed: 2)], server.Read("out"));
        Assert.True(keys.Renewals > 0);
    }

    [Fact]
    public async Task ReadAsync_MappedWriteIntoAPublishedHoleOfAPinnedFile_GivesIt()
    {
        await using var fixture = await StartAsync();
        var content = await WriteAsync(fixture, "out", Bytes(200_000));
        content.Close(canRead: false, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        using var local = content.TryPinLocalFile()!.Value;
        await content.TruncateAsync(10_000, Token);
        await content.TruncateAsync(2_000_000, Token);
        await content.SyncAsync(Token);
        RandomAccess.Write(local.Handle, Bytes(5000, seed: 4), 1_000_000);
        var read = new byte[5000];
        Assert.Equal(5000, await content.ReadAsync(1_000_000, read, Token));
        AssertSame(Bytes(5000, seed: 4), read);
        content.UnpinLocalFile();
    }

    [Fact]
    public async Task WriteAsync_PinnedFileOutgrowsTheCache_GoesOnAndLeavesOthersTheirSpace()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var pinned = await WriteAsync(fixture, "pinned", Bytes(200_000));
        pinned.Close(canRead: false, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        Assert.NotNull(pinned.TryPinLocalFile());
        pinned.Open(canRead: false, canWrite: true);
        await pinned.WriteAsync(0, Bytes(40 << 20, seed: 2), Token);
        pinned.Close(canRead: false, canWrite: true);
        var other = await WriteAsync(fixture, "other", Bytes(40 << 20, seed: 3));
        other.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(40 << 20, seed: 2), fixture.Server.Read("pinned"));
        AssertSame(Bytes(40 << 20, seed: 3), fixture.Server.Read("other"));

        // Nothing of it is left behind: the limit holds for the next.
        pinned.UnpinLocalFile();
        (await WriteAsync(fixture, "next", Bytes(12 << 20))).Close(canRead: false, canWrite: true);
        await fixture.Store.DrainAsync(includingOpen: false, Token);
        Assert.InRange(fixture.Store.FreeCacheBytes, 1, 24 << 20);
        Assert.InRange(fixture.Store.Space.UsedBytes, 1, 24 << 20);
    }

    [Fact]
    public async Task Close_DiskChangedWhatWasWritten_IsNotPublished()
    {
        await using var fixture = await StartAsync(o => o with { MaxUploadTries = 1 }, o => o with { MaxAttempts = 2 });
        await fixture.Store.PauseAsync(Token);
        var content = await WriteAsync(fixture, "out", Bytes(10_000_000));
        using (var local = File.OpenHandle(Directory.GetFiles(fixture.CacheFolder, "*.blocks", SearchOption.AllDirectories).Single(), access: FileAccess.Write, share: FileShare.ReadWrite))
        {
            RandomAccess.Write(local, [1, 2, 3], 5_000_000);
        }

        fixture.Store.Resume();
        content.Close(canRead: false, canWrite: true);
        Assert.Single(await fixture.Store.DrainAsync(includingOpen: false, Token));
        Assert.Null(fixture.Server.Read("out"));
    }

    private static void RefuseUploads(ContentFixture fixture) => fixture.Server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
    {
        Status = 403,
        Code = "AccessDenied",
        Where = c => c.Method == "POST" && c.Query.Contains("uploads", StringComparison.Ordinal),
    });

    private static async Task<FileContent> WriteAsync(ContentFixture fixture, string key, byte[] bytes)
    {
        var content = fixture.Store.Create(Target(key));
        content.Open(canRead: false, canWrite: true);
        for (var done = 0; done < bytes.Length; done += 100_000)
        {
            await content.WriteAsync(done, bytes.AsMemory(done, Math.Min(100_000, bytes.Length - done)), Token);
        }

        return content;
    }

    private static async Task WaitAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(5, Token);
        }
    }

    private sealed class ChangingCredentials(S3Double server) : ICredentialSource
    {
        private AccessKeys _keys = server.Keys;

        public int Renewals { get; private set; }

        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_keys);

        public bool Invalidate(AccessKeys refused)
        {
            Renewals++;
            _keys = server.Keys;
            return true;
        }

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }
}
