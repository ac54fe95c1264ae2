using System.Buffers;
using Floe.Linux;
using Floe.S3;
using Floe.S3.Folder;
using Floe.Store;
using Floe.Testing;
using Floe.Testing.Time;
using Floe.Tests.Store.Doubles;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>A call that does not come back, as into NFS whose server is gone: here it waits for a lock.</summary>
public sealed class FolderThatHangsTests : IDisposable
{
    private static readonly ObjectKey s_key = new("a/b");

    private readonly ScratchFolder _scratch = new();
    private readonly FakeTimeProvider _time = new();
    private readonly StoreUrl _url;

    public FolderThatHangsTests() => _url = StoreUrl.TryParse(_scratch["store"], out _)!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task FailingFor_CallStandsStill_GrowsAfterTwoMinutesUntilItEnds()
    {
        await using var store = FolderObjectStore.Open(_url, _time);
        var hangs = Hang(s_key);
        var put = store.PutAsync(s_key, new byte[10], PutCondition.None, Token);
        Assert.Equal(TimeSpan.Zero, store.FailingFor);
        await UntilAsync(() => IsWaitedFor(hangs), TimeSpan.Zero);
        await UntilAsync(() => store.FailingFor > TimeSpan.Zero, TimeSpan.FromMinutes(2));
        Assert.True(store.FailingFor >= TimeSpan.FromMinutes(2));

        hangs.Dispose();
        await put;
        Assert.Equal(TimeSpan.Zero, store.FailingFor);
    }

    [Fact]
    public async Task PutAsync_Stopped_IsLeftBehindAndWritesNothingWhenItGoesOn()
    {
        await using var store = FolderObjectStore.Open(_url, _time);
        using var stop = new CancellationTokenSource();
        var hangs = Hang(s_key);
        var put = store.PutAsync(s_key, new byte[10], PutCondition.None, stop.Token);
        await UntilAsync(() => IsWaitedFor(hangs), TimeSpan.Zero);
        await stop.CancelAsync();
        await UntilAsync(() => put.IsCompleted, TimeSpan.FromSeconds(5));

        var failure = await Assert.ThrowsAsync<ObjectStoreException>(() => put);
        Assert.Equal(ObjectStoreErrorKind.Unavailable, failure.Kind);
        Assert.False(failure.StillRunning!.IsCompleted);

        hangs.Dispose();
        await failure.StillRunning;
        Assert.Null(await store.HeadAsync(s_key, Token));
        Assert.Empty(Directory.EnumerateFiles(_scratch["store"] + "/.floe/tmp"));
    }

    [Fact]
    public async Task PutAsync_StoppedAndGoesOn_IsACancellation()
    {
        await using var store = FolderObjectStore.Open(_url, _time);
        using var stop = new CancellationTokenSource();
        var hangs = Hang(s_key);
        var put = store.PutAsync(s_key, new byte[10], PutCondition.None, stop.Token);
        await UntilAsync(() => IsWaitedFor(hangs), TimeSpan.Zero);
        await stop.CancelAsync();
        hangs.Dispose();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
    }

    /// <summary>The caller's memory is another's by the time that the file system is back.</summary>
    [Fact]
    public async Task ReadRangeAsync_Stopped_IsLeftBehindAndFillsNothingWhenItGoesOn()
    {
        await using var store = FolderObjectStore.Open(_url, _time);
        await store.PutAsync(s_key, new byte[] { 1, 2, 3 }, PutCondition.None, Token);
        using var stop = new CancellationTokenSource();
        using var hangs = new HangingMemory(3);
        var read = store.ReadRangeAsync(s_key, 0, hangs.Memory, stop.Token);
        await hangs.Reached.WaitAsync(Token);
        await stop.CancelAsync();
        await UntilAsync(() => read.IsCompleted, TimeSpan.FromSeconds(5));

        var failure = await Assert.ThrowsAsync<ObjectStoreException>(() => read);
        Assert.False(failure.StillRunning!.IsCompleted);

        hangs.GoOn();
        await failure.StillRunning;
        Assert.Equal(new byte[3], hangs.Bytes);
    }

    [Fact]
    public async Task DisposeAsync_PackBeingWrittenHangs_DoesNotWaitForIt()
    {
        await using var objects = FolderObjectStore.Open(_url, _time);
        var store = await SnapshotFixture.OpenAsync(objects, _time);
        await using var lease = await store.AcquireLeaseAsync(SnapshotFixture.Key, SnapshotFixture.Request(), Token);
        var hangs = Hang(new($"tasks/{SnapshotFixture.Key}/packs/1-1"));
        using var stop = new CancellationTokenSource();
        var writer = store.BeginSnapshot(lease, new KnownBlocks(), SnapshotFixture.SmallBuffers with { Stop = stop.Token });
        SnapshotFixture.Fill(writer, new Dictionary<string, byte[]> { ["s"] = SnapshotFixture.RandomBytes(1, 100_000) });
        var flush = writer.FlushAsync(stop.Token);
        await UntilAsync(() => IsWaitedFor(hangs), TimeSpan.Zero);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flush);

        var disposal = writer.DisposeAsync().AsTask();
        await UntilAsync(() => disposal.IsCompleted, TimeSpan.FromSeconds(5));
        await disposal;

        hangs.Dispose();
        await UntilAsync(() => !Directory.EnumerateFiles(_scratch["store"] + "/.floe/tmp").Any(), TimeSpan.Zero);
        Assert.Null(await objects.HeadAsync(new($"tasks/{SnapshotFixture.Key}/packs/1-1"), Token));
    }

    private SafeFileHandle Hang(ObjectKey key)
    {
        using var locks = Interop.openat(Interop.AT_FDCWD, _scratch["store"] + "/.floe/locks", Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_CLOEXEC, 0);
        Assert.False(locks.IsInvalid);
        return FolderLock.Take(_url, locks, key);
    }

    /// <summary>Whether a call stands before the lock (proc_locks(5): "-> FLOCK … MAJOR:MINOR:INODE").</summary>
    private static bool IsWaitedFor(SafeFileHandle held)
    {
        var file = $":{FolderFile.TryStat(held, "", out _)!.Value.Inode} ";
        return File.ReadLines("/proc/locks").Any(line => line.Contains("-> FLOCK", StringComparison.Ordinal) && line.Contains(file, StringComparison.Ordinal));
    }

    /// <summary>Lets time pass, again and again, because threads move on in between.</summary>
    private async Task UntilAsync(Func<bool> holds, TimeSpan step)
    {
        for (var i = 0; i < 1000 && !holds(); i++)
        {
            _time.Advance(step);
            await Task.Delay(10, Token);
        }

        Assert.True(holds());
    }

    /// <summary>Who is about to fill it stands still until it may go on.</summary>
    private sealed class HangingMemory(int length) : MemoryManager<byte>
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ManualResetEventSlim _mayGoOn = new();

        public Task Reached => _reached.Task;

        public byte[] Bytes { get; } = new byte[length];

        public override Memory<byte> Memory => CreateMemory(length);

        public void GoOn() => _mayGoOn.Set();

        public override Span<byte> GetSpan()
        {
            _reached.TrySetResult();
            _mayGoOn.Wait(CancellationToken.None);
            return Bytes;
        }

        public override MemoryHandle Pin(int elementIndex = 0) => throw new NotSupportedException();

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing) => _mayGoOn.Set();
    }
}
