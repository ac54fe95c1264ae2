using Floe.Agent.Files;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

public sealed class FilePutBackModelTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 10)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task RunAsync_RandomChangesOverTwoGenerations_TreeIsTheSame(int seed)
    {
        using var machine = new FileMachine(root => LayOutImage(root, seed));
        await machine.StartAsync();

        for (var generation = 1; generation <= 3; generation++)
        {
            new TreeOperations(machine.Root, new Random((seed * 100) + generation)).Run(60);
            var expected = TreeDescription.Of(machine.Root);
            var snapshot = await machine.CaptureAsync();

            await machine.StartAsync();
            await machine.PutBackAsync(snapshot);

            Assert.Equal(expected, TreeDescription.Of(machine.Root), ignoreLineEndingDifferences: false);
        }
    }

    /// <summary>The image's files are left alone after the snapshot, so going back must work and be exact.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task RunAsync_InPlaceAfterMoreChanges_TreeIsTheSameOrIsRefusedUntouched(int seed)
    {
        using var machine = new FileMachine(root => LayOutImage(root, seed));
        await machine.StartAsync();
        new TreeOperations(machine.Root, new Random(seed * 7)).Run(80);
        var expected = TreeDescription.Of(machine.Root);
        var snapshot = await machine.CaptureAsync();

        new TreeOperations(machine.Root, new Random(seed * 11)).Run(10);
        var changed = TreeDescription.Of(machine.Root);
        string? refusal = null;
        try
        {
            await machine.PutBackAsync(snapshot);
        }
        catch (FileStateException e)
        {
            refusal = e.Message;
        }

        Assert.Equal(refusal is null ? expected : changed, TreeDescription.Of(machine.Root));
        Assert.True(refusal is null || refusal.Contains("cannot be undone", StringComparison.Ordinal), refusal);
    }

    /// <summary>A snapshot whose damage shows only once its files are in place must not stand in the way of the one before, nor of a clean start.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task BeginAsync_TakenBack_EarlierSnapshotAndImageAreExact(int seed)
    {
        using var machine = new FileMachine(root => LayOutImage(root, seed));
        await machine.StartAsync();
        var image = TreeDescription.Of(machine.Root);
        new TreeOperations(machine.Root, new Random(seed * 13)).Run(40);
        var expected = TreeDescription.Of(machine.Root);
        var earlier = await machine.CaptureAsync();
        new TreeOperations(machine.Root, new Random(seed * 17)).Run(60);
        var later = await machine.CaptureAsync();

        await machine.StartAsync();
        await TakeBackAsync(machine, later);
        await machine.PutBackAsync(earlier);
        Assert.Equal(expected, TreeDescription.Of(machine.Root));

        await machine.StartAsync();
        await TakeBackAsync(machine, later);
        await TakeBackAsync(machine, earlier);
        await FilePutBack.RevertAsync(machine.Scope, machine.Baseline, CancellationToken.None);
        Assert.Equal(image, TreeDescription.Of(machine.Root));
    }

    private static async Task TakeBackAsync(FileMachine machine, MemorySnapshot snapshot)
    {
        using var files = await FilePutBack.BeginAsync(machine.Scope, snapshot, new PutBackOptions { Baseline = machine.Baseline }, CancellationToken.None);
        Assert.True(files.Result.RecordCount > 0);
    }

    private static void LayOutImage(string root, int seed)
    {
        var operations = new TreeOperations(root, new Random(seed));
        operations.Run(60);
        operations.SetImageTimes();
    }
}
