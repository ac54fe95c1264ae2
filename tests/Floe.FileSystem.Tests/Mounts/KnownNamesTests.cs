using System.Globalization;
using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>What is known of a mount's names stays in bounds, and what somebody holds keeps its name.</summary>
public sealed class KnownNamesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Walk_OverMoreNamesThanAreKept_ForgetsWhatNobodyHolds()
    {
        const int Folders = 40;
        const int Files = 100;
        const int MaxNames = 500;
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        for (var i = 0; i < Folders * Files; i++)
        {
            var key = $"{i / Files}/{i % Files}";
            buckets[Tree.Bucket].Put(key, key);
        }

        await using var mount = TestMount.Start(scratch, buckets, new FileSystemOptions { Root = new BucketFolder(Tree.Bucket, ""), MaxKnownNames = MaxNames });
        var most = 0;
        var holding = Scripts.PythonAsync(
            scratch, "holders.py", mount.Path, Folders.ToString(CultureInfo.InvariantCulture), Files.ToString(CultureInfo.InvariantCulture), scratch.Path);
        while (!File.Exists(scratch["walked"]) && !holding.IsCompleted)
        {
            most = Math.Max(most, mount.Mount.Files.KnownNames);
            await Task.Delay(5, Token);
        }

        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromMinutes(1));
        while (!holding.IsCompleted && mount.Mount.Files.KnownNames > MaxNames)
        {
            await Task.Delay(5, patience.Token);
        }

        await File.WriteAllTextAsync(scratch["go"], "", Token);
        var (isOk, output) = await holding;
        Assert.True(isOk, output);
        Assert.True(most > MaxNames, $"there were never more than {most} names");
        await mount.UnmountAsync();
        Assert.Equal("?/1", buckets[Tree.Bucket].Text("1/1"));
        Assert.Equal("!/6", buckets[Tree.Bucket].Text("6/6"));
        Assert.Equal("made", buckets[Tree.Bucket].Text("7/made"));
    }
}
