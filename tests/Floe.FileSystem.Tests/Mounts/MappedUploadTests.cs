using System.Text;
using Floe.FileSystem.Tests.Content;
using Floe.S3.Buckets;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>A file that the kernel reads from the cache, and somebody writes through a mapping while it goes up to a service that looks at checksums.</summary>
public sealed class MappedUploadTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(40 << 20)]
    [InlineData(2 << 20)]
    public async Task Sync_WrittenThroughAMappingMeanwhile_SucceedsAndTheLastBytesAreInTheBucket(int size)
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var scratch = new ScratchFolder();
        await using var mount = TestMount.Start(scratch, buckets, new FileSystemOptions { Root = new BucketFolder(S3Double.Bucket, "") });
        Assert.SkipUnless(mount.Mount.MayPassThrough, "this kernel has no passthrough");
        await File.WriteAllTextAsync(
            scratch["script.py"],
            $"""
            import mmap, os, threading, time
            # What was written here lies in the cache as a whole.
            with open('f', 'wb') as f:
                f.write(os.urandom({size}))
                f.flush()
                os.fsync(f.fileno())
            reader = open('f', 'rb')
            open('{scratch["opened"]}', 'w').close()
            while os.path.exists('{scratch["opened"]}'): time.sleep(0.01)
            f = open('f', 'r+b', buffering=0)
            m = mmap.mmap(f.fileno(), 0)
            done = False
            def write():
                i = 0
                while not done:
                    i += 1
                    for at in range(0, {size}, 256 << 10): m[at] = i % 251
            thread = threading.Thread(target=write)
            thread.start()
            try:
                for i in range(2): os.fsync(f.fileno())
            finally:
                done = True
                thread.join()
            open('{scratch["copy"]}', 'wb').write(m)
            print('ok')
            """,
            new UTF8Encoding(false), Token);
        var running = Scripts.ShellAsync(scratch, $"cd {mount.Path} && exec timeout 120 /usr/bin/python3 -I {scratch["script.py"]}");
        while (!File.Exists(scratch["opened"]))
        {
            Assert.False(running.IsCompleted);
            await Task.Delay(5, Token);
        }

        Assert.Equal(size, mount.Mount.Contents.PinnedBytes);
        File.Delete(scratch["opened"]);
        Assert.Equal((true, "ok\n"), await running);
        await mount.UnmountAsync();
        ContentFixture.AssertSame(await File.ReadAllBytesAsync(scratch["copy"], Token), server.Read("f"));
    }
}
