using System.Text;
using Floe.FileSystem.Tests.Content;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Whether a file that the kernel has been given was written through a mapping is told without reading it, where the file system tells.</summary>
public sealed class MappedMarkTests : IAsyncLifetime
{
    private const int Bytes = 4 << 20;

    private readonly ScratchFolder _scratch = new();
    private readonly MemoryBuckets _buckets = new(Tree.Bucket);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync() => default;

    public async ValueTask DisposeAsync()
    {
        await Scripts.ShellAsync(_scratch, $"umount {_scratch["tmpfs"]} || true");
        _scratch.Dispose();
    }

    [Fact]
    public async Task Map_ReadWriteAndNeverWritten_FileIsNotRead()
    {
        await using var mount = TestMount.Start(_scratch, _buckets, maxHashedFileBytes: 1 << 20);
        Assert.SkipUnless(mount.Mount.MayPassThrough && mount.Mount.Contents.LocalFiles.TellsMappedWrites, "mapped writes do not move the time here");
        await RunAsync(mount, """
            with open('f', 'r+b') as f: mmap.mmap(f.fileno(), 0).read()
            f = open('f', 'r+b')
            m = mmap.mmap(f.fileno(), 0)
            print(len(m.read()))
            """);
        await mount.Mount.SyncPagesAsync(Token);
        await mount.Mount.Files.CaptureAsync(taskRunsOn: true, Token);
        mount.Mount.Files.Resume();
        Assert.Equal(0, mount.Mount.Contents.HashedBytes);
        await mount.UnmountAsync();
        Assert.Single(_buckets[Tree.Bucket].Calls, c => c == "Put f");
    }

    [Theory]
    [InlineData(1 << 20)]
    [InlineData(1 << 30)]
    public async Task Map_WrittenAfterItWasRead_IsInTheBucket(long maxHashed)
    {
        await using var mount = TestMount.Start(_scratch, _buckets, maxHashedFileBytes: maxHashed);
        await RunAsync(mount, $$"""
            f = open('f', 'r+b')
            m = mmap.mmap(f.fileno(), 0)
            # Every page is mapped, and none of them for writing.
            before = bytes(m)
            m[{{Bytes - 1}}] = before[{{Bytes - 1}}] ^ 255
            open('{{_scratch["copy"]}}', 'wb').write(m)
            """);
        await mount.UnmountAsync();
        ContentFixture.AssertSame(await File.ReadAllBytesAsync(_scratch["copy"], Token), _buckets[Tree.Bucket].Content("f"));
    }

    [Theory]
    [InlineData(1 << 20, false)]
    [InlineData(1 << 30, true)]
    public async Task Open_LargeFileWhereTheTimeTellsNothing_IsNotPassedThrough(long maxHashed, bool isPassed)
    {
        var (isMounted, output) = await Scripts.ShellAsync(_scratch, $"mkdir {_scratch["tmpfs"]} && mount -t tmpfs floe-test {_scratch["tmpfs"]}");
        Assert.SkipUnless(isMounted, output);
        await using var mount = TestMount.Start(_scratch, _buckets, cache: "tmpfs/cache", maxHashedFileBytes: maxHashed);
        Assert.SkipUnless(mount.Mount.MayPassThrough && !mount.Mount.Contents.LocalFiles.TellsMappedWrites, "tmpfs tells here");
        Assert.Equal(isPassed ? Bytes : 0, await RunAsync(mount, $$"""
            f = open('f', 'r+b')
            m = mmap.mmap(f.fileno(), 0)
            m[{{Bytes - 1}}] = m[{{Bytes - 1}}] ^ 255
            open('{{_scratch["copy"]}}', 'wb').write(m)
            """));
        await mount.UnmountAsync();
        ContentFixture.AssertSame(await File.ReadAllBytesAsync(_scratch["copy"], Token), _buckets[Tree.Bucket].Content("f"));
    }

    /// <summary>Beside a reader of a file that is whole in the cache; gives what was pinned then.</summary>
    private async Task<long> RunAsync(TestMount mount, string script)
    {
        await File.WriteAllTextAsync(
            _scratch["script.py"],
            $"""
            import mmap, os, time
            with open('f', 'wb') as f:
                f.write(os.urandom({Bytes}))
                f.flush()
                os.fsync(f.fileno())
            reader = open('f', 'rb')
            open('{_scratch["opened"]}', 'w').close()
            while os.path.exists('{_scratch["opened"]}'): time.sleep(0.01)
            {script}
            """,
            new UTF8Encoding(false), Token);
        var running = Scripts.ShellAsync(_scratch, $"cd {mount.Path} && exec timeout 120 /usr/bin/python3 -I {_scratch["script.py"]}");
        while (!File.Exists(_scratch["opened"]))
        {
            Assert.False(running.IsCompleted, running.IsCompleted ? (await running).Output : "");
            await Task.Delay(5, Token);
        }

        var pinned = mount.Mount.Contents.PinnedBytes;
        File.Delete(_scratch["opened"]);
        var (isOk, output) = await running;
        Assert.True(isOk, output);
        return pinned;
    }
}
