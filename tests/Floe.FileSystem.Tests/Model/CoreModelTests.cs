using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Model;

/// <summary>The file system in memory against a folder of this machine.</summary>
public sealed class CoreModelTests
{
    /// <summary>Set to repeat a sequence that failed.</summary>
    private static readonly int s_firstSeed = int.Parse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED") ?? "1", System.Globalization.CultureInfo.InvariantCulture);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task RandomOperations_AreThoseOfALocalFolder(int block)
    {
        var sequences = 250 * Soak.Factor;
        for (var i = 0; i < sequences; i++)
        {
            // A sequence takes milliseconds; one that hangs is named.
            var seed = s_firstSeed + (block * sequences) + i;
            var steps = new RandomSteps(seed);
            try
            {
                await RunAsync(seed, steps).WaitAsync(TimeSpan.FromSeconds(30));
            }
            catch (TimeoutException)
            {
                Assert.Fail($"seed {seed} hangs\n{steps.Last}");
            }
        }
    }

    private static async Task RunAsync(int seed, RandomSteps steps)
    {
        using var scratch = new ScratchFolder();
        var buckets = new MemoryBuckets(Tree.Bucket);
        using var model = new LocalTree(scratch.Folder("model"), isMount: false);
        IReadOnlyList<string> files;
        await using (var tree = new Tree(buckets, Options(seed), null, scratch))
        {
            var subject = new CoreTree(tree);
            await steps.RunAsync(model, subject, 25);
            await steps.CloseAllAsync(model, subject);
            files = await steps.WriteAllWithAttributesAsync(model, subject);
            await tree.DrainAsync();
        }

        await using var again = new Tree(buckets, Options(seed), null, scratch);
        await steps.AssertRemountAsync(model, new CoreTree(again), files);
        Assert.Equal(0, buckets[Tree.Bucket].OpenUploads);
    }

    /// <summary>Some sequences believe the bucket for long, some not at all; some see it in small pages.</summary>
    private static FileSystemOptions Options(int seed) => new()
    {
        Root = new BucketFolder(Tree.Bucket, seed % 2 == 0 ? "" : "some/where/"),
        FileTtl = seed % 3 == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(1),
        FolderTtl = seed % 3 == 0 ? TimeSpan.Zero : TimeSpan.FromSeconds(10),
        PageEntries = seed % 5 == 0 ? 2 : 1000,
    };
}
