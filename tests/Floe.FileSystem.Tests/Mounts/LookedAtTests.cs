using Floe.Testing;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>What a snapshot carries of a half-written file that CRIU has looked at, as it does at every open file. Two seconds.</summary>
public sealed class LookedAtTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Capture_HeadWasReadWhileTheTaskStandsStill_CarriesOnlyWhatHasNotGoneUp()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var scratch = new ScratchFolder();
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        var gate = scratch["gate"];
        var writing = Scripts.ShellAsync(scratch, $"exec 3>{mount["big"]}; seq 1000000 6624999 >&3; until [ -e {gate} ]; do sleep 0.02; done");
        while (server.OpenPartCount < 5)
        {
            Assert.False(writing.IsCompleted);
            await Task.Delay(10, Token);
        }

        await Task.Delay(300, Token);
        var before = await CarriedAsync();
        mount.Mount.IsBeingFrozen = true;
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"head -c 5 {mount["big"]}");
        var after = await CarriedAsync();
        mount.Mount.IsBeingFrozen = false;
        await File.WriteAllTextAsync(gate, "", Token);
        await writing;
        Assert.Equal((true, "10000", 3_056_960L, 3_056_960L), (isOk, output, before, after));

        async Task<long> CarriedAsync()
        {
            var captured = await mount.Mount.Files.CaptureAsync(taskRunsOn: false, Token);
            mount.Mount.Files.Resume();
            return captured.ByteCount;
        }
    }
}
