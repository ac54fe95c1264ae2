using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.FileSystem.Tests.Model;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>A real mount against a folder of this machine, by the same system calls. Fifteen seconds.</summary>
public sealed class MountModelTests
{
    [Fact]
    public async Task RandomOperations_OnAMount_AreThoseOfALocalFolder()
    {
        var sequences = 240 * Soak.Factor;
        for (var seed = 10_001; seed <= 10_000 + sequences; seed++)
        {
            await RunAsync(seed);
        }
    }

    private static async Task RunAsync(int seed)
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        using var model = new LocalTree(scratch.Folder("model"), isMount: false);
        var steps = new RandomSteps(seed);
        IReadOnlyList<string> files;
        await using (var mount = TestMount.Start(scratch, buckets))
        {
            using var subject = new LocalTree(mount.Path, isMount: true);
            await steps.RunAsync(model, subject, 25);
            await steps.CloseAllAsync(model, subject);
            files = await steps.WriteAllWithAttributesAsync(model, subject);
            await mount.UnmountAsync();
        }

        await using var again = TestMount.Start(scratch, buckets);
        using var after = new LocalTree(again.Path, isMount: true);
        await steps.AssertRemountAsync(model, after, files);
    }
}
