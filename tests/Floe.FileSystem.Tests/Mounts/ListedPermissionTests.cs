using System.Text;
using Floe.FileSystem.Metadata;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Linux;
using Floe.S3.Buckets;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Permissions of files that the kernel knows from a listing, which does not tell them. A second.</summary>
public sealed class ListedPermissionTests
{
    [Fact]
    public async Task Open_ByAnotherUserRightAfterAListing_IsRefused()
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        foreach (var (name, mode) in ((string, uint)[])[("private", 0x180), ("public", 0x1A4), ("truncated", 0x180)])
        {
            buckets[Tree.Bucket].Put(name, "text", new ObjectHeaders { Metadata = PosixMetadata.Encode(Interop.S_IFREG | mode, 7, 7, null) });
        }

        await using var mount = TestMount.Start(scratch, buckets, new FileSystemOptions { Root = new BucketFolder(Tree.Bucket, ""), UMask = 0 });
        // The folder is one's own, so another user goes in by a descriptor.
        var script = $$"""
            import os
            os.chdir('{{mount.Path}}')
            os.setresgid(1000, 1000, 1000)
            os.setgroups([])
            os.setresuid(1000, 1000, 1000)
            def tried(call, *arguments):
                list(os.scandir('.'))
                try:
                    return call(*arguments)
                except OSError as e:
                    return e.errno
            print(tried(os.open, 'private', os.O_RDONLY), tried(os.truncate, 'truncated', 0), tried(lambda: open('public').read()))
            """;
        await File.WriteAllTextAsync(scratch["script.py"], script, new UTF8Encoding(false), TestContext.Current.CancellationToken);
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"/usr/bin/python3 -I {scratch["script.py"]}");
        Assert.True(isOk, output);
        Assert.Equal($"{Errno.EACCES} {Errno.EACCES} text", output.Trim());
        (isOk, output) = await Scripts.ShellAsync(scratch, $"cat {mount["private"]}");
        Assert.True(isOk && output == "text", output);
    }
}
