using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Floe.IntegrationTests.Workloads;
using Floe.Testing.Machines;
using Xunit;
using static Floe.IntegrationTests.FileSystem.MountedFleet;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>Workloads of the main job with their working directory and outputs on the mount, frozen at a random moment and thawed on another machine.</summary>
public sealed class MovedWorkloadTests
{
    /// <summary>
    /// All but the one of another user with FLOE_SOAK set (make soak-filesystem), else two.
    /// </summary>
    public static TheoryData<string> Names => Environment.GetEnvironmentVariable("FLOE_SOAK") is null
        ? ["shell-pipelines", "open-files"]
        : [.. Workload.All.Where(w => w.Name != "other-user").Select(w => w.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Run_OnTheMountFrozenAndThawed_BucketHasWhatAnUndisturbedRunGives(string name)
    {
        var workload = Workload.All.Single(w => w.Name == name);
        var expected = await Baselines.GetAsync(workload);
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var moment = TimeSpan.FromSeconds(0.5 + (3 * new Random(seed).NextDouble()));
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: frozen after {moment.TotalSeconds:F2} s (FLOE_TEST_SEED={seed})");
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], [.. workload.Command]);
        await UntilAsync(run, () => fleet.Server.KeysBelow(Prefix + "out/").Count > 0, "output folder");
        await Task.Delay(moment, Token);
        var before = await fleet.TakeAwayAsync(a, run);
        var b = await fleet.MachineAsync("machine-b");
        var ended = await EndAsync(await fleet.RunAsync(b, [], [.. workload.Command]));
        Assert.True(ended.Status.Success, $"{ended.Status}: {ended.Errors}");
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        // To a bucket holes are zeros: st_blocks counts them (open-files says whether it does).
        var stdout = Encoding.Latin1.GetString(expected.Stdout).Replace("\nsparse True ", "\nsparse False ", StringComparison.Ordinal);
        Assert.Equal(stdout, Encoding.Latin1.GetString([.. before.Output, .. ended.Output]));
        AssertOutputs(fleet, expected);
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    private static void AssertOutputs(MountedFleet fleet, WorkloadOutput expected)
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var key in fleet.Server.KeysBelow(Prefix + "out/").Where(k => !k.EndsWith('/') && !k.EndsWith("/.fusion.symlinks", StringComparison.Ordinal)))
        {
            var bytes = fleet.Server.Read(key)!;
            found[key[(Prefix.Length + 4)..]] = $"{bytes.Length} {Convert.ToHexString(SHA256.HashData(bytes))}";
        }

        var wanted = expected.Files.Where(f => f.Value.StartsWith("file ", StringComparison.Ordinal))
            .ToDictionary(f => f.Key, f => string.Join(' ', f.Value.Split(' ')[^2..]));
        Assert.Equal(new SortedDictionary<string, string>(wanted, StringComparer.Ordinal), found);
    }
}
