using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Fuse;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>A real mount whose cache is full: writes that wait for room stand in nobody else's way. About two seconds.</summary>
public sealed class WaitingWriteTests : IAsyncLifetime
{
    /// <summary>Small enough to go up in one piece, and so not before they are closed.</summary>
    private const int FullFiles = 4;
    private const int FullBytes = 4 << 20;

    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private TestMount _mount = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    public ValueTask InitializeAsync()
    {
        _mount = TestMount.Start(_scratch, _buckets, maxCacheBytes: FullFiles * FullBytes, fuse: new FuseServerOptions { MaxBufferBytes = 4 << 20 });
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _mount.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Write_MoreOfThemWaitThanMemoryHolds_OthersAreAnsweredAndWaitersCanBeKilled()
    {
        const int Writers = 12;
        Bucket.Put("there", "text");
        // What fills the cache is closed and waits for its turn to go up.
        for (var taken = 0; taken < ContentStore.MaxLargeBodies; taken++)
        {
            await _mount.Mount.Contents.EnterSmallAsync(1 << 20, Token);
        }

        await ShellAsync($"for i in {{1..{FullFiles}}}; do head -c {FullBytes} /dev/zero > {_mount["full"]}$i; done");
        var writing = PythonAsync($$"""
            import os, signal, time
            writers = []
            for i in range({{Writers}}):
                pid = os.fork()
                if pid == 0:
                    f = os.open(f'out{i}', os.O_WRONLY | os.O_CREAT)
                    written = os.write(f, bytes([i + 1]) * (1 << 20))
                    os._exit(0 if written == 1 << 20 else 1)
                writers.append(pid)

            def syscall(pid):
                # 1: write (64 on arm64).
                return open(f'/proc/{pid}/syscall').read().split()[0]

            end = time.monotonic() + 15
            for pid in writers:
                while syscall(pid) not in ('1', '64') and time.monotonic() < end: time.sleep(0.01)
            time.sleep(0.2)
            print(os.stat('there').st_size, len(os.listdir('.')))
            os.kill(writers[-1], signal.SIGKILL)
            print(os.waitpid(writers.pop(), 0)[1], [os.waitpid(p, os.WNOHANG)[0] for p in writers] == [0] * len(writers), flush=True)
            open('{{_scratch["asked"]}}', 'w').close()
            print([os.waitpid(p, 0)[1] for p in writers] == [0] * len(writers))
            """);
        var late = Task.Delay(TimeSpan.FromSeconds(20), Token);
        while (!File.Exists(_scratch["asked"]) && !writing.IsCompleted && !late.IsCompleted)
        {
            await Task.Delay(10, Token);
        }

        var isAnswered = File.Exists(_scratch["asked"]);
        for (var taken = 0; taken < ContentStore.MaxLargeBodies; taken++)
        {
            _mount.Mount.Contents.LeaveSmall(isLarge: true);
        }

        Assert.Equal($"4 {Writers + FullFiles + 1}\n9 True\nTrue\n", await writing);
        Assert.True(isAnswered);
        await _mount.UnmountAsync();
        for (var i = 0; i < Writers - 1; i++)
        {
            ContentEquals(Bucket.Content($"out{i}"), (byte)(i + 1));
        }
    }

    /// <summary>What fills the cache cannot go up: nobody would have room, and the snapshot not what was written through the mapping.</summary>
    [Fact]
    public async Task SyncPages_CacheIsFullWhileTheTaskIsBeingStopped_TakesThePages()
    {
        var (full, written) = (_scratch["is-full"], _scratch["is-written"]);
        var writing = PythonAsync($"""
            import mmap, os, time
            def step(name):
                open(name, 'w').close()
                while os.path.exists(name): time.sleep(0.01)

            f = open('mapped', 'w+b')
            f.truncate(1 << 20)
            m = mmap.mmap(f.fileno(), 0)
            others = [os.open(f'full{"{i}"}', os.O_WRONLY | os.O_CREAT) for i in range({FullFiles})]
            for other in others: os.write(other, b'f' * {FullBytes})
            step('{full}')
            m[:] = b'm' * (1 << 20)
            step('{written}')
            """);
        await UntilThereAsync(full, writing);
        // Before: the kernel may write the pages at any time, and not again what has no room.
        _mount.Mount.IsBeingFrozen = true;
        File.Delete(full);
        await UntilThereAsync(written, writing);
        await _mount.Mount.SyncPagesAsync(Token).WaitAsync(TimeSpan.FromSeconds(20), Token);
        Assert.InRange(_mount.Mount.Contents.Space.UsedBytes, (FullFiles * FullBytes) + (1 << 20), long.MaxValue);
        _mount.Mount.IsBeingFrozen = false;
        File.Delete(written);
        await writing;
        await _mount.UnmountAsync();
        ContentEquals(Bucket.Content("mapped"), (byte)'m');
    }

    /// <summary>What fills the cache goes up when the pages have been taken in, and not before.</summary>
    [Fact]
    public async Task Unmount_CacheIsFullAndAFileIsMappedAndWritten_HasTheBytesInTheBucket()
    {
        var (written, end) = (_scratch["is-written"], _scratch["may-end"]);
        var writing = PythonAsync($"""
            import mmap, os, time
            f = open('mapped', 'w+b')
            f.truncate(1 << 20)
            m = mmap.mmap(f.fileno(), 0)
            others = [os.open(f'full{"{i}"}', os.O_WRONLY | os.O_CREAT) for i in range({FullFiles})]
            for other in others: os.write(other, b'f' * {FullBytes})
            m[:] = b'm' * (1 << 20)
            open('{written}', 'w').close()
            while not os.path.exists('{end}'): time.sleep(0.01)
            os._exit(0)
            """);
        await UntilThereAsync(written, writing);
        Assert.Empty(await _mount.Mount.UnmountAsync(Token).WaitAsync(TimeSpan.FromSeconds(20), Token));
        await File.WriteAllTextAsync(end, "", Token);
        await writing;
        ContentEquals(Bucket.Content("mapped"), (byte)'m');
    }

    /// <summary>None of them may go up before it is closed. The mount's end is an error to whoever waits, or makes room for it, and the rest is in the bucket.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Write_CacheIsFullOfAnothersOpenFiles_WaitsUntilTheyAreClosedOrTheMountEnds(bool isUnmounted)
    {
        var (full, end) = (_scratch["is-full"], _scratch["may-end"]);
        var writing = PythonAsync($"""
            import os, time
            others = [os.open(f'full{"{i}"}', os.O_WRONLY | os.O_CREAT) for i in range({FullFiles})]
            for other in others: os.write(other, b'f' * {FullBytes})
            pid = os.fork()
            if pid == 0:
                for other in others: os.close(other)
                f = os.open('out', os.O_WRONLY | os.O_CREAT)
                try:
                    print(os.write(f, b'o' * (1 << 20)), flush=True)
                except OSError as e:
                    print(e.errno, flush=True)
                os._exit(0)
            time.sleep(0.5)
            print(os.waitpid(pid, os.WNOHANG)[0], flush=True)
            open('{full}', 'w').close()
            while not os.path.exists('{end}'): time.sleep(0.01)
            if not {isUnmounted}:
                for other in others: os.close(other)
            os.waitpid(pid, 0)
            """);
        await UntilThereAsync(full, writing);
        var unmounting = isUnmounted ? _mount.UnmountAsync() : Task.CompletedTask;
        await unmounting.WaitAsync(TimeSpan.FromSeconds(20), Token);
        await File.WriteAllTextAsync(end, "", Token);
        var written = (await writing.WaitAsync(TimeSpan.FromSeconds(20), Token)).Split('\n');
        Assert.Equal("0", written[0]);
        if (isUnmounted)
        {
            // ECONNABORTED or ENOTCONN, as it has been sent to the mount or not. Or how much it wrote, where there was room for pages before the end.
            Assert.True(
                written[1] is "103" or "107" || written[1] == $"{(Bucket.Keys.Contains("out") ? Bucket.Content("out").Length : 0)}", written[1]);
        }
        else
        {
            Assert.Equal("1048576", written[1]);
            await _mount.UnmountAsync();
            ContentEquals(Bucket.Content("out"), (byte)'o');
        }

        Assert.All(Enumerable.Range(0, FullFiles), i => Assert.Equal(FullBytes, Bucket.Content($"full{i}")?.Length));
    }

    private static async Task UntilThereAsync(string path, Task running)
    {
        while (!File.Exists(path))
        {
            Assert.False(running.IsCompleted);
            await Task.Delay(5, Token);
        }
    }

    private static void ContentEquals(byte[]? content, byte value)
    {
        Assert.Equal(1 << 20, content?.Length);
        Assert.Equal(-1, content.AsSpan().IndexOfAnyExcept(value));
    }

    private async Task<string> PythonAsync(string script)
    {
        await File.WriteAllTextAsync(_scratch["script.py"], script, new UTF8Encoding(false), Token);
        return await ShellAsync($"cd {_mount.Path} && /usr/bin/python3 -I {_scratch["script.py"]}");
    }

    private async Task<string> ShellAsync(string text)
    {
        var (isOk, output) = await Scripts.ShellAsync(_scratch, text);
        Assert.True(isOk, output);
        return output;
    }
}
