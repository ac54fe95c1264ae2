using System.Text;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Who opens a file for writing alone goes past the page cache, which others map and read.</summary>
public sealed class DirectWriteTests
{
    private const int Bytes = 1 << 20;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>As LMDB does it: pages are written by a descriptor for writing alone and read by a mapping, which touches them all the time.</summary>
    [Theory]
    [InlineData("map(); w = os.open('f', os.O_WRONLY)")]
    [InlineData("w = os.open('f', os.O_WRONLY); map()")]
    public async Task Write_BesideAMappingThatIsRead_IsWhatIsMappedAfterwards(string open)
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        buckets[Tree.Bucket].Put("f", new string('\0', Bytes));
        await using var mount = TestMount.Start(scratch, buckets);
        await File.WriteAllTextAsync(
            scratch["script.py"],
            $"""
            import mmap, os, struct, threading
            def map():
                global m
                f = open('f', 'r+b')
                m = mmap.mmap(f.fileno(), {Bytes}, access=mmap.ACCESS_READ)
                globals()['kept'] = f
            {open}
            done = False
            def read():
                while not done:
                    for at in range(0, {Bytes}, 4096): m[at]
            readers = [threading.Thread(target=read)]
            for r in readers: r.start()
            stale = 0
            for i in range(1, 500):
                at = i * 7 % ({Bytes} // 4096) * 4096
                os.pwrite(w, struct.pack('<Q', i) * 64, at + 512)
                stale += struct.unpack_from('<Q', m, at + 512)[0] != i
            done = True
            for r in readers: r.join()
            os.close(w)
            print(stale, bytes(m) == open('f', 'rb').read())
            """,
            new UTF8Encoding(false), Token);
        Assert.Equal((true, "0 True\n"), await Scripts.ShellAsync(scratch, $"cd {mount.Path} && exec timeout 120 /usr/bin/python3 -I {scratch["script.py"]}"));
        await mount.UnmountAsync();
    }

    /// <summary>Pages that are written through a mapping meanwhile are sent while they are dropped.</summary>
    [Fact]
    public async Task Write_BesideAMappingThatIsWritten_BothAreThere()
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        buckets[Tree.Bucket].Put("f", new string('\0', Bytes));
        await using var mount = TestMount.Start(scratch, buckets);
        await File.WriteAllTextAsync(
            scratch["script.py"],
            $"""
            import mmap, os, threading
            w = os.open('f', os.O_WRONLY)
            f = open('f', 'r+b')
            m = mmap.mmap(f.fileno(), {Bytes})
            done = False
            def write():
                i = 0
                while not done:
                    i += 1
                    for at in range(0, {Bytes}, 8192): m[at] = i % 251
            writer = threading.Thread(target=write)
            writer.start()
            for i in range(1, 400):
                os.pwrite(w, bytes([i % 251]) * 4096, i * 7 % ({Bytes} // 8192) * 8192 + 4096)
            done = True
            writer.join()
            os.close(w)
            open('{scratch["copy"]}', 'wb').write(m)
            m.close()
            f.close()
            """,
            new UTF8Encoding(false), Token);
        Assert.Equal((true, ""), await Scripts.ShellAsync(scratch, $"cd {mount.Path} && exec timeout 120 /usr/bin/python3 -I {scratch["script.py"]}"));
        await mount.UnmountAsync();
        Content.ContentFixture.AssertSame(await File.ReadAllBytesAsync(scratch["copy"], Token), buckets[Tree.Bucket].Content("f"));
    }
}
