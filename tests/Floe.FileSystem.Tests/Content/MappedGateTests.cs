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

/// <summary>Who is being frozen while a file is read for what was written through mappings, or is to be: nobody waits for all of it.</summary>
public sealed class MappedGateTests : IAsyncDisposable
{
    private const int Size = 20 << 20;
    private const int At = 3 * BlockMap.BlockBytes;

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(20);

    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private readonly ManualResetEventSlim _mayRead = new();
    private readonly byte[] _bytes = Bytes(Size);
    private ContentStore _store = null!;
    private ObjectFileSystem _files = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    public async ValueTask DisposeAsync()
    {
        _mayRead.Set();
        await _store.DisposeAsync();
        _mayRead.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Write_ReleasedWhileTheFileIsReadForAnother_GoesOnBeforeItIsRead()
    {
        var (content, _) = await OpenMappableAsync();
        MapWrite(content, 0, 1);
        var pieces = 0;
        var reading = Hold(() => pieces += content.IsDirty ? 0 : 1);
        var taking = Task.Run(() => _files.TakeMappedAsync(content, Token).AsTask(), Token);
        await reading.WaitAsync(s_limit, Token);
        using var released = new CancellationTokenSource();
        var writing = content.WriteAsync(At, new byte[] { 2 }, released.Token, Token).AsTask();
        released.Cancel();
        _mayRead.Set();
        await writing.WaitAsync(s_limit, Token);
        await taking.WaitAsync(s_limit, Token);
        Assert.InRange(pieces, 1, (Size >> 20) - 1);
        await AssertDrainedAsync();
    }

    [Fact]
    public async Task Sync_ReleasedWhileTheFileIsRead_ReturnsAndTheUploadGoesOn()
    {
        var (content, handle) = await OpenMappableAsync();
        MapWrite(content, 0, 1);
        MapWrite(content, At, 2);
        var reading = Hold();
        using var released = new CancellationTokenSource();
        var syncing = Task.Run(() => _files.SyncAsync(handle, released.Token, Token).AsTask(), Token);
        await reading.WaitAsync(s_limit, Token);
        released.Cancel();
        await syncing.WaitAsync(s_limit, Token);
        Assert.Equal(_bytes[0], Bucket.Content("f")[0]);
        _mayRead.Set();
        while (Bucket.Content("f")[0] != 1)
        {
            await Task.Delay(5, Token);
        }

        await AssertDrainedAsync();
    }

    [Fact]
    public async Task Truncate_LargeFileWhileTheTaskIsBeingFrozen_FileIsNotRead()
    {
        var (content, handle) = await OpenMappableAsync(maxHashed: 1 << 20);
        MapWrite(content, 0, 1);
        _store.IsBeingFrozen = true;
        await content.TruncateAsync(Size - 1, Token);
        Assert.Equal(0, _store.HashedBytes);
        _store.IsBeingFrozen = false;
        await content.TruncateAsync(Size, Token);
        MapWrite(content, At, 2);
        _bytes[^1] = 0;
        await _files.TakeMappedAsync(content, Token);
        await AssertDrainedAsync();
    }

    [Fact]
    public async Task Allocate_LargeFileWhileTheTaskIsBeingFrozen_FileIsNotRead()
    {
        const uint FALLOC_FL_KEEP_SIZE = 1;
        const uint FALLOC_FL_PUNCH_HOLE = 2;
        var (content, handle) = await OpenMappableAsync(maxHashed: 1 << 20);
        MapWrite(content, 0, 1);
        MapWrite(content, At, 2);
        _store.IsBeingFrozen = true;
        await _files.AllocateAsync(handle, At + 1, 10, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, Token);
        Assert.Equal(0, _store.HashedBytes);
        _store.IsBeingFrozen = false;
        await _files.TakeMappedAsync(content, Token);
        _bytes.AsSpan(At + 1, 10).Clear();
        await AssertDrainedAsync();
    }

    /// <summary>A file that changes faster than it goes up is sent in the gate, which stands still with the uploads.</summary>
    [Fact]
    public async Task Capture_WhileAPublicationHoldsWritersOff_IsAtOnce()
    {
        var (content, _) = await OpenMappableAsync();
        await content.WriteAsync(0, new byte[] { 1 }, Token);
        var pausing = new TaskCompletionSource<Task>(TaskCreationOptions.RunContinuationsAsynchronously);
        var changes = 0;
        Bucket.Before = (call, _) =>
        {
            if (call != "UploadPart")
            {
                return;
            }

            // Each of three rounds finds it changed.
            content.WriteAsync(0, new byte[] { 1 }, Token).AsTask().GetAwaiter().GetResult();
            if (++changes == 3)
            {
                Bucket.Before = null;
                pausing.SetResult(_store.PauseAsync(Token));
            }
        };
        var syncing = content.SyncAsync(Token);
        await pausing.Task;
        Task writing;
        do
        {
            await Task.Delay(5, Token);
            writing = content.WriteAsync(0, new byte[] { 1 }, CancellationToken.None, Token).AsTask();
        }
        while (await Task.WhenAny(writing, Task.Delay(500, Token)) == writing);

        MapWrite(content, At, 2);
        var captured = await _files.CaptureAsync(taskRunsOn: true, Token).WaitAsync(s_limit, Token);
        Assert.Contains(captured.State.Nodes.Single().Content!.Ranges, r => r.Offset <= At && r.Offset + r.Count > At);
        await writing.WaitAsync(s_limit, Token);
        await await pausing.Task;
        _files.Resume();
        await syncing.WaitAsync(s_limit, Token);
        await AssertDrainedAsync();
    }

    /// <summary>The file's first byte was made 1, and another 2.</summary>
    private async Task AssertDrainedAsync()
    {
        Assert.Empty(await _files.DrainAsync(includingOpen: true, Token).WaitAsync(s_limit, Token));
        (_bytes[0], _bytes[At]) = (1, 2);
        AssertSame(_bytes, Bucket.Content("f"));
    }

    /// <summary>Completes when the file is read for the first time, by a thread that stands there until <see cref="_mayRead"/> is set.</summary>
    /// <param name="look">Before each piece, one after the other.</param>
    private Task Hold(Action? look = null)
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _store.Hashing = () =>
        {
            lock (_buckets)
            {
                look?.Invoke();
            }

            begun.TrySetResult();
            _mayRead.Wait(s_limit);
        };
        return begun.Task;
    }

    private async Task<(FileContent Content, ulong Handle)> OpenMappableAsync(long maxHashed = 1 << 30)
    {
        _store = new ContentStore(
            _buckets, new ContentStoreOptions { CacheFolder = _scratch["cache"], MaxCacheBytes = 1 << 30, MaxOpenLocalFiles = 1, MaxHashedFileBytes = maxHashed });
        Assert.SkipUnless(maxHashed >= Size || _store.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        _files = new ObjectFileSystem(_buckets, _store, new FileSystemOptions { Root = new BucketFolder(Tree.Bucket, "") }, TimeProvider.System, NullLogger.Instance);
        return await OpenAsync(_files, _store, "f", _bytes);
    }
}
