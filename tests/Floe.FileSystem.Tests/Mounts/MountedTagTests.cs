using Floe.FileSystem.Metadata;
using Floe.FileSystem.Names;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Tags over a socket: what a real mount sends with all that it writes, and what the kernel shows of them. A second.</summary>
public sealed class MountedTagTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Files_TagRules_EveryObjectHasItsTagsAndTheKernelShowsThem()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var scratch = new ScratchFolder();
        var options = new FileSystemOptions
        {
            Root = new BucketFolder(S3Double.Bucket, ""),
            Tags = TagRules.TryParse("[*.log|.fusion.*](kind=log,text=a b+c=ü),[un*](),[*](kind=data)", out _)!,
            MaxSingleCopyBytes = 8 << 20,
            CopyPartBytes = 8 << 20,
        };
        server.Write("unnamed", "theirs"u8.ToArray());
        await using var mount = TestMount.Start(scratch, buckets, options);
        var (isOk, output) = await Scripts.ShellAsync(scratch, $$"""
            cd {{mount.Path}}; mkdir d; echo small > d/small; echo log > a.log; head -c 20000000 /dev/zero > large; ln -s d/small link
            sync -f .; sync a.log d/small large; cp large huge; sync huge; mv huge moved; mv a.log b; echo more >> unnamed
            python3 - <<'END'
            import os
            for name in "large", "b", "unnamed":
                tags = {a: os.getxattr(name, a).decode() for a in sorted(os.listxattr(name)) if a != "user.s3.etag"}
                print(name, tags, os.getxattr(name, "user.s3.etag").decode().strip('"') != "")
            END
            """);
        Assert.True(isOk, output);
        Assert.Equal("large {'user.s3.tag.kind': 'data'} True\nb {'user.s3.tag.kind': 'data'} True\nunnamed {} True\n", output);
        await mount.UnmountAsync();

        var bucket = buckets.Open(S3Double.Bucket);
        foreach (var (key, expected) in ((string, string)[])[
            ("d/", "kind=data"), ("d/small", "kind=data"), ("b", "kind=data"), ("large", "kind=data"), ("moved", "kind=data"), ("link", "kind=data"),
            (LinkList.Name, "kind=log,text=a b+c=ü"), ("unnamed", "")])
        {
            var tags = await bucket.GetTagsAsync(key, Token);
            Assert.Equal((key, expected), (key, string.Join(',', tags.Select(t => $"{t.Key}={t.Value}").Order(StringComparer.Ordinal))));
        }
    }
}
