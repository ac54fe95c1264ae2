using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;
using static Floe.FileSystem.Tests.Content.MappedFile;

namespace Floe.FileSystem.Tests.Content;

/// <summary>What is written through mappings of a file that the kernel has been given: here straight to the local file, as the kernel does it.</summary>
public sealed class MappedChangeTests : IAsyncDisposable
{
    private const int Size = 20 << 20;
    private const int At = 3 * BlockMap.BlockBytes;

    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private readonly byte[] _bytes = Bytes(Size);
    private ContentStore _store = null!;
    private ObjectFileSystem _files = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    public async ValueTask DisposeAsync()
    {
        await _store.DisposeAsync();
        _scratch.Dispose();
    }

    /// <summary>Changed before a part was read to be sent, and back afterwards: to whom compares with what was known when fsync began it is as it was.</summary>
    [Theory]
    [InlineData(Size)]
    [InlineData(1 << 20)]
    public async Task Sync_ChangedAndBackWhileItGoesUp_LastBytesAreInTheBucket(int size)
    {
        var (content, _) = await OpenMappableAsync(size);
        MapWrite(content, 0, 1);
        await _files.TakeMappedAsync(content, Token);
        Bucket.Before = (call, _) =>
        {
            if (call is "CreateUpload")
            {
                MapWrite(content, At, 2);
            }
        };
        if (size <= PartGrid.MinPartBytes)
        {
            MapWrite(content, At, 2);
        }

        await content.SyncAsync(Token);
        Assert.Equal(2, Bucket.Content("f")[At]);
        Bucket.Before = null;
        MapWrite(content, At, _bytes[At]);
        await _files.TakeMappedAsync(content, Token);
        await content.SyncAsync(Token);
        Assert.Equal(_bytes[At], Bucket.Content("f")[At]);
        Assert.Equal(1, Bucket.Content("f")[0]);
    }

    /// <summary>A part is on its way already when somebody opens the file who can map it.</summary>
    [Fact]
    public async Task Sync_OpenedForMappingAndChangedAndBackWhileItGoesUp_LastBytesAreInTheBucket()
    {
        Start();
        var (ino, content) = await PinAsync(_files, _store, "f", _bytes);
        var writer = (await _files.OpenAsync(ino, Tree.ReadWrite, Token)).Handle;
        await content.WriteAsync(0, new byte[] { 1 }, Token);
        Bucket.Before = (call, _) =>
        {
            if (call is "UploadPart")
            {
                Bucket.Before = null;
                _files.NoteMappableAsync(writer).AsTask().GetAwaiter().GetResult();
                MapWrite(content, At, 2);
            }
        };
        await content.SyncAsync(Token);
        MapWrite(content, At, _bytes[At]);
        await _files.TakeMappedAsync(content, Token);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        _bytes[0] = 1;
        AssertSame(_bytes, Bucket.Content("f"));
    }

    [Fact]
    public async Task Take_PartWithAChangeDidNotArrive_ChangeIsInTheSnapshot()
    {
        var (content, _) = await OpenMappableAsync(Size);
        MapWrite(content, 0, 1);
        await _files.TakeMappedAsync(content, Token);
        Bucket.Before = (call, _) =>
        {
            if (call is "CreateUpload")
            {
                MapWrite(content, At, 2);
            }
            else if (call is "UploadPart")
            {
                throw new S3.ObjectStoreException(S3.ObjectStoreErrorKind.AccessDenied, "no");
            }
        };
        await Assert.ThrowsAsync<ContentException>(() => content.SyncAsync(Token));
        var captured = await _files.CaptureAsync(taskRunsOn: true, Token);
        var carried = new byte[captured.ByteCount];
        var at = 0;
        captured.Read(
            piece =>
            {
                piece.CopyTo(carried.AsSpan(at));
                at += piece.Length;
            },
            Token);
        _files.Resume();
        var ranges = captured.State.Nodes.Single().Content!.Ranges;
        var range = Assert.Single(ranges, r => r.Offset <= At && r.Offset + r.Count > At);
        Assert.Equal(2, carried[ranges.TakeWhile(r => r != range).Sum(r => r.Count) + At - range.Offset]);
    }

    [Fact]
    public async Task Take_NothingWasWritten_NoFileIsRead()
    {
        var (content, _) = await OpenMappableAsync(Size, maxHashed: 1 << 20);
        Assert.SkipUnless(_store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        await _files.TakeMappedAsync(content, Token);
        await _files.CaptureAsync(taskRunsOn: true, Token);
        _files.Resume();
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        Assert.Equal(0, _store.HashedBytes);
        Assert.DoesNotContain(Bucket.Calls, c => c.StartsWith("CreateUpload", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Take_FileUpToTheLimitThatNobodyWrites_IsReadOnce()
    {
        var (content, _) = await OpenMappableAsync(Size);
        Assert.SkipUnless(_store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        await _files.TakeMappedAsync(content, Token);
        Assert.Equal(Size, _store.HashedBytes);
        MapWrite(content, At, 2);
        await _files.TakeMappedAsync(content, Token);
        Assert.Equal(2 * Size, _store.HashedBytes);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        Assert.Equal(2, Bucket.Content("f")[At]);
        // The rest was the object's, and was copied from it.
        Assert.Contains("CopyPart f", Bucket.Calls);
    }

    [Fact]
    public async Task Take_LargeFileWasWrittenThroughAMapping_AllOfItIsInTheBucket()
    {
        var (content, _) = await OpenMappableAsync(Size, maxHashed: 1 << 20);
        MapWrite(content, At, 2);
        await _files.TakeMappedAsync(content, Token);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        _bytes[At] = 2;
        AssertSame(_bytes, Bucket.Content("f"));
    }

    /// <summary>What a request writes moves the time too: from then on only hashes tell, and not all of the file counts as written.</summary>
    [Fact]
    public async Task Take_LargeFileWasWrittenByARequest_OnlyThatGoesUp()
    {
        var (content, handle) = await OpenMappableAsync(Size, maxHashed: 1 << 20);
        Assert.SkipUnless(_store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        await _files.WriteAsync(handle, At, new byte[] { 2 }, killsPrivileges: false, Token);
        await _files.TakeMappedAsync(content, Token);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        _bytes[At] = 2;
        AssertSame(_bytes, Bucket.Content("f"));
        Assert.Contains("CopyPart f", Bucket.Calls);
    }

    /// <summary>Reading a large file takes longer than a task can be waited for that is being frozen.</summary>
    [Fact]
    public async Task Write_LargeFileAndItsWriterIsBeingFrozen_FileIsNotReadAndAllOfItIsInTheBucket()
    {
        var (content, _) = await OpenMappableAsync(Size, maxHashed: 1 << 20);
        Assert.SkipUnless(_store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        var hashed = _store.HashedBytes;
        await content.WriteAsync(At, new byte[] { 2 }, released: new CancellationToken(true), Token);
        Assert.Equal(hashed, _store.HashedBytes);
        MapWrite(content, 0, 3);
        await _files.TakeMappedAsync(content, Token);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        (_bytes[At], _bytes[0]) = (2, 3);
        AssertSame(_bytes, Bucket.Content("f"));
    }

    [Fact]
    public async Task Drain_LocalFileCannotBeRead_OthersAreInTheBucketAndItIsNamed()
    {
        var (content, _) = await OpenMappableAsync(Size);
        var (entry, other) = await _files.CreateAsync(1, "g", 0x1A4, Tree.WriteOnly, Tree.Caller, Token);
        await _files.WriteAsync(other.Handle, 0, "text"u8.ToArray(), killsPrivileges: false, Token);
        MapWrite(content, At, 2);
        // Closed, since another is used, and then not to be opened again.
        File.Move(content.LocalPath!, _scratch["aside"]);
        var failure = Assert.Single(await _files.DrainAsync(includingOpen: true, Token));
        Assert.Equal("f", failure.Target.Key);
        Assert.Equal("text", Bucket.Text("g"));
        File.Move(_scratch["aside"], content.LocalPath!);
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token));
        Assert.Equal(2, Bucket.Content("f")[At]);
        _files.Forget(entry.NodeId, 1);
    }

    private async Task<(FileContent Content, ulong Handle)> OpenMappableAsync(int size, long maxHashed = 1 << 30)
    {
        Start(maxHashed);
        Assert.SkipUnless(maxHashed >= size || _store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        var opened = await OpenAsync(_files, _store, "f", _bytes.AsMemory(0, size));
        Bucket.Calls.Clear();
        return opened;
    }

    private void Start(long maxHashed = 1 << 30)
    {
        _store = new ContentStore(
            _buckets, new ContentStoreOptions { CacheFolder = _scratch["cache"], MaxCacheBytes = 1 << 30, MaxOpenLocalFiles = 1, MaxUploadTries = 1, MaxHashedFileBytes = maxHashed });
        _files = new ObjectFileSystem(_buckets, _store, new FileSystemOptions { Root = new BucketFolder(Tree.Bucket, "") }, TimeProvider.System, NullLogger.Instance);
    }
}
