using System.Text;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>A snapshot of a task that has written through a mapping of what the disk under the cache has no room for. About six seconds.</summary>
public sealed class FullDiskPagesTests : IAsyncLifetime
{
    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var (isMounted, output) = await Scripts.ShellAsync(_scratch, $"mkdir {_scratch["disk"]} && mount -t tmpfs -o size=8m none {_scratch["disk"]}");
        Assert.True(isMounted, output);
    }

    public async ValueTask DisposeAsync()
    {
        await Scripts.ShellAsync(_scratch, $"umount -l {_scratch["disk"]}");
        _scratch.Dispose();
    }

    /// <summary>Nobody can make room while all stand still. The snapshot fails, and the pages wait on.</summary>
    [Fact]
    public async Task SyncPages_DiskIsFullWhileTheTaskIsBeingStopped_FailsAndLosesNone()
    {
        await using var mount = TestMount.Start(_scratch, _buckets, cache: "disk/cache");
        var (opened, written) = (_scratch["is-open"], _scratch["is-written"]);
        await File.WriteAllTextAsync(
            _scratch["script.py"],
            $"""
            import mmap, os, time
            def step(name):
                open(name, 'w').close()
                while os.path.exists(name): time.sleep(0.01)

            f = open('mapped', 'w+b')
            f.truncate(1 << 20)
            m = mmap.mmap(f.fileno(), 0)
            other = open('other', 'wb', buffering=0)
            other.write(b'o' * (1 << 20))
            step('{opened}')
            m[:] = b'm' * (1 << 20)
            step('{written}')
            """,
            new UTF8Encoding(false), Token);
        var writing = Scripts.ShellAsync(_scratch, $"cd {mount.Path} && exec timeout 120 /usr/bin/python3 -I {_scratch["script.py"]}");
        await UntilThereAsync(opened, writing);
        await Assert.ThrowsAnyAsync<IOException>(() => File.WriteAllBytesAsync(_scratch["disk/filler"], new byte[8 << 20], Token));
        mount.Mount.IsBeingFrozen = true;
        File.Delete(opened);
        await UntilThereAsync(written, writing);
        var error = await Assert.ThrowsAsync<LinuxException>(() => mount.Mount.SyncPagesAsync(Token).WaitAsync(TimeSpan.FromSeconds(30), Token));
        Assert.Equal(Errno.ENOSPC, error.Errno);
        mount.Mount.IsBeingFrozen = false;
        File.Delete(_scratch["disk/filler"]);
        File.Delete(written);
        Assert.Equal((true, ""), await writing);
        await mount.UnmountAsync();
        var content = _buckets[Tree.Bucket].Content("mapped");
        Assert.Equal((1 << 20, -1), (content.Length, content.AsSpan().IndexOfAnyExcept((byte)'m')));
    }

    private static async Task UntilThereAsync(string path, Task running)
    {
        while (!File.Exists(path))
        {
            Assert.False(running.IsCompleted);
            await Task.Delay(5, Token);
        }
    }
}
