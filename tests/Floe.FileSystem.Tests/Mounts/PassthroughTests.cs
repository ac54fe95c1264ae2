using System.Text;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Fuse;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Files that are whole in the cache, which the kernel reads by itself where it can (Linux 6.9).</summary>
public sealed class PassthroughTests : IAsyncLifetime
{
    private const int Bytes = 300_000;

    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);
    private TestMount _mount = null!;

    private MemoryBucket Bucket => _buckets[Tree.Bucket];

    private string Text { get; } = string.Concat(Enumerable.Range(0, Bytes / 10).Select(i => $"{i:d9}\n"));

    public ValueTask InitializeAsync()
    {
        Bucket.Put("f", Text);
        _mount = TestMount.Start(_scratch, _buckets);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await _mount.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Read_WholeInTheCache_IsPinnedWhileOpen()
    {
        Assert.SkipUnless(_mount.Mount.MayPassThrough, "this kernel has no passthrough");
        var pinned = _scratch["pinned"];
        var reading = PythonAsync($"""
            import os, time
            open('f', 'rb').read()
            with open('f', 'rb') as f:
                f.read(1)
                open('{pinned}', 'w').close()
                while os.path.exists('{pinned}'): time.sleep(0.01)
                print(len(f.read()))
            """);
        while (!File.Exists(pinned))
        {
            Assert.False(reading.IsCompleted);
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.Equal(Bytes, _mount.Mount.Contents.PinnedBytes);
        File.Delete(pinned);
        Assert.Equal($"{Bytes - 1}", await reading);
        await UntilAsync(() => _mount.Mount.Contents.PinnedBytes == 0);
        await EndAsync();
    }

    [Fact]
    public async Task Write_ThroughAMappingBesideAReader_ReachesTheBucketAndTheReader()
    {
        Assert.Equal("b'MAPPED' b'MAPPED'", await PythonAsync("""
            import mmap
            open('f', 'rb').read()
            reader = open('f', 'rb', buffering=0)
            with open('f', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
                m[70000:70006] = b'MAPPED'
                reader.seek(70000)
                first = reader.read(6)
            reader.seek(70000)
            print(first, reader.read(6))
            """));
        await EndAsync();
        Assert.Equal(Text[..70000] + "MAPPED" + Text[70006..], Bucket.Text("f"));
    }

    /// <summary>Who looks again for the end of the mappings, and who releases the file meanwhile, both let go of it.</summary>
    [Fact]
    public async Task Open_AgainAndAgainWhileItIsLetGo_EveryOneIsAnswered()
    {
        Bucket.Put("large", new string('x', 4 << 20));
        Assert.Equal("True", await PythonAsync("""
            import os, random, time
            rng = random.Random(1)
            size = len(open('large', 'rb').read())
            for i in range(1500):
                opened = [os.open('large', os.O_RDONLY), os.open('large', os.O_RDWR)]
                opened.append(os.open('large', os.O_WRONLY | os.O_APPEND))
                for f in opened: os.close(f)
                if i % 4: time.sleep(rng.random() * 0.004)
            print(size == 4 << 20)
            """));
        await UntilAsync(() => _mount.Mount.Contents.PinnedBytes == 0);
        await EndAsync();
    }

    [Fact]
    public async Task Map_DescriptorIsClosed_BytesStayWhileItIsMapped()
    {
        Assert.SkipUnless(_mount.Mount.MayPassThrough, "this kernel has no passthrough");
        var mapped = _scratch["mapped"];
        var reading = PythonAsync($"""
            {Mapping}
            import time
            open('f', 'rb').read()
            m = mapping('f', os.O_RDONLY)
            open('{mapped}', 'w').close()
            while os.path.exists('{mapped}'): time.sleep(0.01)
            print(bytes(m) == open('f', 'rb').read())
            """);
        while (!File.Exists(mapped))
        {
            Assert.False(reading.IsCompleted);
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        // Longer than it is looked at again for the first times.
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal(Bytes, _mount.Mount.Contents.PinnedBytes);
        File.Delete(mapped);
        Assert.Equal("True", await reading);
        await UntilAsync(() => _mount.Mount.Contents.PinnedBytes == 0);
        await EndAsync();
        Assert.DoesNotContain(Bucket.Calls, c => c.StartsWith("Put", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Map_WrittenAfterTheDescriptorIsClosed_ReachesTheBucket()
    {
        Assert.Equal("b'MAPPED'", await PythonAsync($"""
            {Mapping}
            open('f', 'rb').read()
            reader = open('f', 'rb', buffering=0)
            m = mapping('f', os.O_RDWR)
            m[70000:70006] = b'MAPPED'
            reader.seek(70000)
            print(reader.read(6))
            """));
        await EndAsync();
        Assert.Equal(Text[..70000] + "MAPPED" + Text[70006..], Bucket.Text("f"));
    }

    [Fact]
    public async Task Map_WrittenAfterAllDescriptorsAreClosed_ReachesTheBucketWithoutAnotherCall()
    {
        Assert.Equal("True", await PythonAsync($"""
            {Mapping}
            import time
            open('f', 'rb').read()
            reader = open('f', 'rb', buffering=0)
            m = mapping('f', os.O_RDWR)
            reader.close()
            time.sleep(0.05)
            m[70000:70006] = b'MAPPED'
            n = mapping('f', os.O_RDONLY)
            print(bytes(n) == bytes(m))
            """));
        await UntilAsync(() => Bucket.Text("f")[70000] == 'M');
        Assert.Equal(Text[..70000] + "MAPPED" + Text[70006..], Bucket.Text("f"));
        await EndAsync();
    }

    [Fact]
    public async Task Open_LocalFileIsOutOfReach_FailsAndTheFileIsLetGoOfAfterwards()
    {
        Assert.SkipUnless(_mount.Mount.MayPassThrough, "this kernel has no passthrough");
        await _mount.DisposeAsync();
        _mount = TestMount.Start(_scratch, _buckets, maxOpenLocalFiles: 1);
        Bucket.Put("g", Text);
        Bucket.Put("h", Text);
        var reading = PythonAsync($"""
            import glob, os, shutil, time
            open('f', 'rb').read()
            reader = open('f', 'rb', buffering=0)
            local = glob.glob('{_scratch["cache"]}/*/*.blocks')[0]
            for name in ('g', 'h', 'g', 'h'):
                # Others in its place among those that are open.
                open(name, 'rb').read()
                os.close(os.open(name, os.O_WRONLY))
            shutil.move(local, '{_scratch["aside"]}')
            try:
                os.open('f', os.O_RDWR)
                print('opened')
            except OSError as e:
                print(e.strerror)
            reader.close()
            time.sleep(0.1)
            shutil.move('{_scratch["aside"]}', local)
            """);
        Assert.Equal("Input/output error", await reading);
        await UntilAsync(() => _mount.Mount.Contents.PinnedBytes == 0);
        Assert.Equal("True", await PythonAsync("print(open('f', 'r+b').read() == open('g', 'rb').read())"));
        await EndAsync();
    }

    [Fact]
    public async Task Read_WholeInTheCacheWithoutPassthrough_IsTheSame()
    {
        await _mount.DisposeAsync();
        _mount = TestMount.Start(_scratch, _buckets, fuse: new FuseServerOptions { MayPassThrough = false });
        Assert.False(_mount.Mount.MayPassThrough);
        Assert.Equal("True 0", await PythonAsync("""
            open('f', 'rb').read()
            with open('f', 'rb') as f: print(f.read() == open('f', 'rb').read(), 0)
            """));
        Assert.Equal(0, _mount.Mount.Contents.PinnedBytes);
        await EndAsync();
    }

    [Fact]
    public async Task Open_ForWritingBesideAReaderWithoutAWrite_LeavesTheObject()
    {
        await PythonAsync("""
            import mmap
            open('f', 'rb').read()
            reader = open('f', 'rb')
            with open('f', 'r+b') as f, mmap.mmap(f.fileno(), 0) as m:
                m[0:10]
            """);
        await EndAsync();
        Assert.DoesNotContain(Bucket.Calls, c => c.StartsWith("Put", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Write_BesideAReader_IsSeenByIt()
    {
        Assert.Equal($"b'000' b'XYZ' b'end' b'' {5000}", await PythonAsync($"""
            import os
            open('f', 'rb').read()
            reader = os.open('f', os.O_RDONLY)
            first = os.pread(reader, 3, 0)
            writer = os.open('f', os.O_WRONLY)
            os.pwrite(writer, b'XYZ', 0)
            second = os.pread(reader, 3, 0)
            os.pwrite(writer, b'end', {Bytes} + 100000)
            third = os.pread(reader, 3, {Bytes} + 100000)
            os.ftruncate(writer, 5000)
            print(first, second, third, os.pread(reader, 3, 6000), os.fstat(reader).st_size)
            """));
        await EndAsync();
        Assert.Equal("XYZ" + Text[3..5000], Bucket.Text("f"));
    }

    /// <summary>As programs that copy do it: written, then the times of the original, then closed.</summary>
    [Fact]
    public async Task SetTimes_AfterAWriteBesideAReader_HoldsAndIsInTheBucket()
    {
        Assert.Equal("9000000010", await PythonAsync("""
            import os
            open('f', 'rb').read()
            reader = open('f', 'rb', buffering=0)
            with open('f', 'r+b', buffering=0) as f:
                f.write(b'WRITTEN')
                os.utime(f.fileno(), ns=(7000000008, 9000000010))
            print(os.stat('f').st_mtime_ns)
            """));
        await EndAsync();
        Assert.Equal("9000000010ns", Bucket.Headers("f").Metadata["file-mtime"]);
        Assert.StartsWith("WRITTEN", Bucket.Text("f"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unlink_BesideAReader_LeavesItItsBytes()
    {
        Assert.Equal($"{Bytes} 0", await PythonAsync("""
            import os
            open('f', 'rb').read()
            with open('f', 'rb') as reader:
                os.unlink('f')
                print(len(reader.read()), os.fstat(reader.fileno()).st_nlink)
            """));
        await EndAsync();
        Assert.Empty(Bucket.Keys);
    }

    /// <summary>As programs in C map: the descriptor is closed before the mapping is used (Python's own keeps one).</summary>
    private const string Mapping = """
        import ctypes, os
        c = ctypes.CDLL(None)
        c.mmap.restype = ctypes.c_void_p
        c.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
        def mapping(name, access):
            f = os.open(name, access)
            size = os.fstat(f).st_size
            at = c.mmap(None, size, 3 if access == os.O_RDWR else 1, 1, f, 0)
            os.close(f)
            return (ctypes.c_char * size).from_address(at)
        """;

    private async Task<string> PythonAsync(string script)
    {
        await File.WriteAllTextAsync(_scratch["script.py"], script, new UTF8Encoding(false));
        var (isOk, output) = await Scripts.ShellAsync(_scratch, $"cd {_mount.Path} && /usr/bin/python3 -I {_scratch["script.py"]}");
        Assert.True(isOk, output);
        return output.Trim();
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        for (var left = 2000; !isSo(); left--)
        {
            Assert.True(left > 0, "it never came");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private async Task EndAsync() => await _mount.UnmountAsync();
}
