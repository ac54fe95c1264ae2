using System.Text;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Fuse;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>The end of a mount in which files are open.</summary>
public sealed class BusyUnmountTests : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private TestMount _mount = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    public ValueTask InitializeAsync()
    {
        _mount = TestMount.Start(_scratch, _buckets);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _mount.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Unmount_WriterGoesOnDuringTheUpload_HasItsErrorOrItsBytesInTheBucket()
    {
        var writing = StartAsync("""
            f = open('f', 'wb', buffering=0)
            f.write(b'one')
            note('ready')
            until('uploading')
            try:
                f.write(b'two')
                note('wrote')
            except OSError:
                note('refused')
            until('end')
            """);
        await UntilAsync("ready");
        Bucket.Before = (call, _) =>
        {
            if (call == "Put" && !File.Exists(_scratch["uploading"]))
            {
                File.WriteAllText(_scratch["uploading"], "");
                SpinWait.SpinUntil(() => File.Exists(_scratch["wrote"]) || File.Exists(_scratch["refused"]), TimeSpan.FromMinutes(1));
            }
        };
        Assert.Empty(await _mount.Mount.UnmountAsync(Token));
        await File.WriteAllTextAsync(_scratch["end"], "", Token);
        await writing;
        Assert.Equal(File.Exists(_scratch["wrote"]) ? "onetwo" : "one", Bucket.Text("f"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Unmount_FileIsMappedAndWritten_HasTheBytesInTheBucket(bool besideAReader)
    {
        Bucket.Put("f", new string('-', 300_000));
        var writing = StartAsync($"""
            import mmap
            if {besideAReader}:
                open('f', 'rb').read()
                reader = open('f', 'rb')
            with open('f', 'r+b') as f:
                m = mmap.mmap(f.fileno(), 0)
                m[70000:70006] = b'MAPPED'
                note('ready')
                until('end')
                os._exit(0)
            """);
        await UntilAsync("ready");
        Assert.Empty(await _mount.Mount.UnmountAsync(Token));
        await File.WriteAllTextAsync(_scratch["end"], "", Token);
        await writing;
        Assert.Equal("MAPPED", Bucket.Text("f")[70000..70006]);
    }

    /// <summary>What is under way may wait for a page that is locked for a request, which must not be left unanswered then.</summary>
    [Fact]
    public async Task Unmount_ARequestDoesNotEnd_OthersAreRefusedMeanwhile()
    {
        Bucket.Put("f", "text");
        using var goOn = new ManualResetEventSlim();
        var isReading = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Bucket.Before = (call, _) =>
        {
            if (call == "Get")
            {
                isReading.TrySetResult();
                goOn.Wait();
            }
        };
        var reading = StartAsync("""
            import errno
            if os.fork() == 0:
                try: os.read(os.open('f', os.O_RDONLY), 4)
                except OSError: pass
                os._exit(0)
            until('ending')
            try: os.stat('g')
            except OSError as e: note('refused' if e.errno == errno.ENOTCONN else 'failed')
            os.wait()
            """);
        await isReading.Task;
        // What it does before it waits is to stop.
        var ending = _mount.DisposeAsync();
        await File.WriteAllTextAsync(_scratch["ending"], "", Token);
        await UntilAsync("refused");
        goOn.Set();
        await ending;
        await reading;
    }

    [Fact]
    public async Task Unmount_AnotherNamespaceHasACopy_EndsWithItsBytesInTheBucket()
    {
        var writing = StartAsync("""
            import mmap
            f = open('f', 'w+b', buffering=0)
            f.write(b'-' * 10000)
            m = mmap.mmap(f.fileno(), 0)
            m[5000:5006] = b'MAPPED'
            note('ready')
            until('end')
            os._exit(0)
            """, "unshare --mount --propagation private ");
        await UntilAsync("ready");
        Assert.Empty(await _mount.Mount.UnmountAsync(Token));
        Assert.True(_mount.Mount.Ended.IsCompleted);
        await File.WriteAllTextAsync(_scratch["end"], "", Token);
        await writing;
        Assert.Equal("MAPPED", Bucket.Text("f")[5000..5006]);
    }

    [Fact]
    public async Task Unmount_AnotherIsMountedOverIt_LeavesThat()
    {
        Bucket.Put("f", "text");
        await using var other = TestMount.Start(_scratch, _buckets);
        Assert.Empty(await _mount.Mount.UnmountAsync(Token));
        var (isOk, output) = await Scripts.ShellAsync(_scratch, $"cat {other["f"]}");
        Assert.True(isOk && output == "text", output);
        await other.UnmountAsync();
        // What was below is there again: nobody could take it away, and nobody serves it.
        (isOk, output) = await Scripts.ShellAsync(_scratch, $"umount {_mount.Path}");
        Assert.True(isOk, output);
    }

    /// <summary>mount(2) follows the link, and umount2(2) is told not to.</summary>
    [Fact]
    public async Task Unmount_MountedByASymbolicLink_IsGone()
    {
        var folder = _scratch.Folder("behind");
        File.CreateSymbolicLink(_scratch["link"], folder);
        Bucket.Put("f", "text");
        await using (var linked = TestMount.Start(_scratch, _buckets, directory: _scratch["link"]))
        {
            Assert.True(FuseServer.IsMountPoint(_scratch["link"]));
            Assert.Equal(folder, linked.Path);
            // What the link names meanwhile is of no account.
            File.Delete(_scratch["link"]);
            await linked.UnmountAsync();
        }

        Assert.False(FuseServer.IsMountPoint(folder));
    }

    [Fact]
    public async Task IsMountPoint_NameThatTheTableWritesInDigits_IsFound()
    {
        var folder = _scratch.Folder("a b\\c");
        Assert.False(FuseServer.IsMountPoint(folder));
        var (isOk, output) = await Scripts.ShellAsync(_scratch, $"mount -t tmpfs none '{folder}'");
        Assert.True(isOk, output);
        Assert.True(FuseServer.IsMountPoint(folder));
        (isOk, output) = await Scripts.ShellAsync(_scratch, $"umount '{folder}'");
        Assert.True(isOk, output);
    }

    /// <summary>A program in the mount that leaves notes in the scratch folder, and waits for ours.</summary>
    /// <param name="within">A program that runs it.</param>
    private async Task StartAsync(string script, string within = "")
    {
        var begin = $"""
            import os, time
            def note(name): open('{_scratch.Path}/' + name, 'w').close()
            def until(name):
                while not os.path.exists('{_scratch.Path}/' + name): time.sleep(0.01)

            """;
        await File.WriteAllTextAsync(_scratch["script.py"], begin + script, new UTF8Encoding(false), Token);
        var (isOk, output) = await Scripts.ShellAsync(_scratch, $"cd {_mount.Path} && exec {within}/usr/bin/python3 -I {_scratch["script.py"]}");
        Assert.True(isOk, output);
    }

    private async Task UntilAsync(string note)
    {
        while (!File.Exists(_scratch[note]))
        {
            await Task.Delay(5, Token);
        }
    }
}
