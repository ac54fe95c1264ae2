using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>
/// A cache on overlayfs, as in any container without a volume: what is mapped there is the file below, and nobody sees that the cache's file is mapped.
/// About a second.
/// </summary>
public sealed class OverlayCacheTests : IAsyncLifetime
{
    private const int Bytes = 300_000;

    private readonly ScratchFolder _scratch = new();

    public async ValueTask InitializeAsync()
    {
        // An overlay cannot lie on another, where the temporary folder may be.
        var layers = _scratch.Folder("layers");
        var (isMounted, output) = await Scripts.ShellAsync(
            _scratch,
            $"mount -t tmpfs floe-test {layers} && cd {layers} && mkdir lower upper work merged plain && " +
            "mount -t overlay floe-test -o lowerdir=lower,upperdir=upper,workdir=work merged");
        Assert.SkipUnless(isMounted, output);
    }

    public async ValueTask DisposeAsync()
    {
        await Scripts.ShellAsync(_scratch, $"umount {_scratch["layers/merged"]}; umount {_scratch["layers"]}");
        _scratch.Dispose();
    }

    [Theory]
    [InlineData("layers/plain", true)]
    [InlineData("layers/merged", false)]
    public void SeesMappings_OverlayOrWhatItLiesOn_IsWhatTheKernelTells(string where, bool sees)
    {
        using var folder = OwnFolder.Make(_scratch[where]);
        Assert.Equal(sees, new LocalFiles(folder, 16).SeesMappings());
        Assert.Empty(Directory.GetFiles(_scratch[where], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Map_CacheIsOnAnOverlay_IsTheFileOfTheMountAndKeepsItsBytes()
    {
        var buckets = new MemoryBuckets(Tree.Bucket);
        buckets[Tree.Bucket].Put("f", new string('x', Bytes));
        await using var mount = TestMount.Start(_scratch, buckets, cache: "layers/merged");
        Assert.False(mount.Mount.MayPassThrough);
        var mapped = _scratch["mapped"];
        await File.WriteAllTextAsync(
            _scratch["script.py"],
            $"""
            import ctypes, os, time
            c = ctypes.CDLL(None)
            c.mmap.restype = ctypes.c_void_p
            c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
            open('f', 'rb').read()
            f = os.open('f', os.O_RDONLY)
            at = c.mmap(None, {Bytes}, 1, 1, f, 0)
            os.close(f)
            name = [line for line in open('/proc/self/maps') if line.startswith('%x-' % at)][0].split()[-1]
            open('{mapped}', 'w').close()
            while os.path.exists('{mapped}'): time.sleep(0.01)
            print(name, ctypes.string_at(at, {Bytes}) == b'x' * {Bytes})
            """,
            new UTF8Encoding(false), TestContext.Current.CancellationToken);
        var running = Scripts.ShellAsync(_scratch, $"cd {mount.Path} && /usr/bin/python3 -I {_scratch["script.py"]}");
        while (!File.Exists(mapped))
        {
            Assert.False(running.IsCompleted);
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        await Task.Delay(50, TestContext.Current.CancellationToken);
        mount.Mount.Contents.Space.Evict(long.MaxValue);
        File.Delete(mapped);
        Assert.Equal((true, $"{mount["f"]} True\n"), await running);
        await mount.UnmountAsync();
    }
}
