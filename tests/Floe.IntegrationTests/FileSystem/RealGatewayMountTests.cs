using Floe.IntegrationTests.S3;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>A mount of a real S3 gateway of another project: conditional writes, copies of parts, listings and tags as others make them.</summary>
[Collection(nameof(RadosGatewayFixture))]
public sealed class RealGatewayMountTests(RadosGatewayFixture gateway)
{
    [Fact]
    public async Task Tree_MadeChangedAndMountedAnew_IsThatOfALocalFolder()
    {
        var environment = new Dictionary<string, string>(MountingMachine.Environment(gateway.Server.Endpoint, gateway.Server.Keys))
        {
            ["FUSION_TAGS"] = "[*.log](kind=log),[*](kind=data)",
        };
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, TestContext.Current.CancellationToken);
        var root = $"s3://{RealS3Server.Bucket}/mount-{Guid.NewGuid():n}";
        await MountAsync(async () =>
        {
            // The same twice: on a local folder, and on the mount.
            await ShellAsync("""
                make() {
                  mkdir -p a/b/c "a/ü and more" empty; echo small > a/small; echo x > a/b/c/x
                  head -c 25000000 /tmp/random > a/large; cp a/large "a/ü and more/copy"; ln -s ../small a/b/link
                  for i in $(seq 60); do echo $i > a/b/c/n$i; done
                  mv a/small a/b/moved; mv a/b z; rm a/large; echo more >> z/moved; truncate -s 9000000 "a/ü and more/copy"
                  printf MIDDLE | dd of="a/ü and more/copy" bs=1 seek=8388600 conv=notrunc status=none
                  (umask 027; echo log > z/t.log)
                }
                head -c 25000000 /dev/urandom > /tmp/random; mkdir /tmp/local
                (cd /tmp/local; make); (cd /data; make)
                """);
            await CompareAsync();
        });
        await MountAsync(async () =>
        {
            await CompareAsync();
            // Within the second after a listing it may show what carries no permissions (docs/semantics.md).
            Assert.Equal("640 rw\n", await ShellAsync("sleep 1.1; echo $(stat -c %a /data/z/t.log) rw"));
            // A change of a large object of the bucket: untouched parts are copied within the service.
            await ShellAsync("for d in /tmp/local /data; do printf CHANGED | dd of=\"$d/a/ü and more/copy\" bs=1 seek=10 conv=notrunc status=none; done");
            await CompareAsync();
            await AssertTagsAsync(root);
            await ShellAsync("rm -r /data/a /data/z /data/empty; test -z \"$(ls -A /data)\"");
        });

        async Task MountAsync(Func<Task> use)
        {
            var mount = await MountingMachine.StartAsync(machine, environment, root);
            await use();
            await ShellAsync("umount /data");
            var ended = await mount.WaitAsync(TestContext.Current.CancellationToken);
            Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        }

        // What FUSION_TAGS asks for, on a small object, one of parts, a renamed one, a changed one, a folder and a link; and as the kernel shows it.
        async Task AssertTagsAsync(string root)
        {
            await ShellAsync("sync -f /data/z; sync \"/data/a/ü and more/copy\"");
            await using var buckets = gateway.Server.OpenBuckets();
            foreach (var (name, kind) in ((string, string)[])[
                ("z/t.log", "log"), ("z/c/x", "data"), ("a/ü and more/copy", "data"), ("z/c/n1", "data"), ("z/moved", "data"), ("z/", "data"), ("z/link", "data")])
            {
                var tags = await buckets.Open(RealS3Server.Bucket).GetTagsAsync($"{root[(5 + RealS3Server.Bucket.Length + 1)..]}/{name}", TestContext.Current.CancellationToken);
                Assert.Equal((name, new("kind", kind)), (name, Assert.Single(tags)));
            }

            Assert.Equal(
                "b'log' b'data'\n",
                await ShellAsync("python3 -c 'import os; print(*(os.getxattr(f, \"user.s3.tag.kind\") for f in (\"/data/z/t.log\", \"/data/a/ü and more/copy\")))'"));
        }

        Task<string> ShellAsync(string script) => MountingMachine.ShellAsync(machine, environment, script);

        Task CompareAsync() => ShellAsync("list() { cd $1; find . | LC_ALL=C sort; find . -type l -exec readlink {} \\;; find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; }; diff <(list /tmp/local) <(list /data)");
    }
}
