using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>The newest snapshot is damaged, and shows it only when all its files are in place: the task goes on from the one before, for good.</summary>
public sealed class FallbackTests
{
    /// <summary>Makes the same pages in every run, and tells 16 bytes of them that the store holds as they are; changes files of the image.</summary>
    private const string Program = """
        import os, random, shutil, time
        def gate(path):
            while not os.path.exists(path): time.sleep(0.02)
        def randoms(seed): return random.Random(seed).randbytes(300000)
        always = randoms(1)
        print('started', always[150000:150016].hex(), flush=True)
        gate('/run/one')
        late = randoms(2)
        with open('/etc/profile', 'a') as f: f.write('tail\n')
        with open('/var/tmp/log', 'a') as f: f.write('line\n')
        shutil.rmtree('/etc/skel')
        os.chmod('/etc/issue', 0o600)
        print('one', late[150000:150016].hex(), flush=True)
        gate('/run/two')
        print('two', sum(always), sum(late), open('/etc/profile').read().count('tail\n'), open('/var/tmp/log').read().count('line\n'), os.path.exists('/etc/skel'), flush=True)
        """;

    private const string End = "two 38251988 38257076 1 1 False\n";

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Run_WentOnFromTheOneBefore_NextSnapshotIsGood(bool packIsMissing)
    {
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        var (snapshots, old, _, late) = await TwoSnapshotsAsync(fleet);
        var damaged = fleet.Packs().Except(old).Last();
        if (packIsMissing)
        {
            File.Delete(damaged);
        }
        else
        {
            Flip(fleet, late);
        }

        // The task makes again what the damaged snapshot had.
        var b = await fleet.MachineAsync("machine-b");
        var run = await RunAsync(fleet, b);
        await Fleet.UntilLoggedAsync(run, $"Restored snapshot {snapshots[0]} of machine machine-a");
        Fleet.Open(b, "/run/one");
        await Fleet.UntilPrintedAsync(run, "one ");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(b, run, "--leave-running"));
        Assert.Contains(snapshots[0], fleet.Snapshots());
        await fleet.TakeAwayAsync(b, run);
        await b.DestroyAsync();
        var latest = fleet.Snapshots()[^1];
        Assert.True(latest > snapshots[1]);

        var c = await fleet.MachineAsync("machine-c");
        var verified = await fleet.FloeAsync(c, "verify", "--store", "file:///store");
        Assert.DoesNotContain($"task snapshot {latest}: ", verified.Text, StringComparison.Ordinal);
        Fleet.Open(c, "/run/two");
        var third = await Fleet.EndAsync(await RunAsync(fleet, c));
        Fleet.AssertStatus(0, third);
        Assert.Contains($"Restored snapshot {latest} of machine machine-b", third.Errors, StringComparison.Ordinal);
        Assert.Equal(End, third.Text);
    }

    [Fact]
    public async Task Run_DamagedSnapshotReplacedFilesOfTheImage_TheOneBeforeFindsThemUnchanged()
    {
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        var (snapshots, _, _, late) = await TwoSnapshotsAsync(fleet);
        Flip(fleet, late);

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var second = await Fleet.EndAsync(await RunAsync(fleet, b));
        Fleet.AssertStatus(0, second);
        Assert.Contains($"Snapshot {snapshots[1]} could not be restored", second.Errors, StringComparison.Ordinal);
        Assert.Contains($"Restored snapshot {snapshots[0]} of machine machine-a", second.Errors, StringComparison.Ordinal);
        Assert.EndsWith(End, second.Text, StringComparison.Ordinal);
        Assert.False(Directory.Exists(b.RootPath + "/.floe-putback"));
    }

    [Fact]
    public async Task Run_AllDamagedAndFilesOfTheImageReplaced_CommandStartsClean()
    {
        await using var fleet = new Fleet();
        fleet.Environment.Remove(Fleet.Exclude);
        var (_, _, always, _) = await TwoSnapshotsAsync(fleet);
        Flip(fleet, always);

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/one");
        Fleet.Open(b, "/run/two");
        var second = await Fleet.EndAsync(await fleet.RunAsync(b, ["--on-restore-failure", "restart"], "/usr/bin/python3", "-c", Program));
        Fleet.AssertStatus(0, second);
        Assert.Contains("starts from the beginning", second.Errors, StringComparison.Ordinal);
        Assert.StartsWith("started ", second.Text, StringComparison.Ordinal);
        Assert.EndsWith(End, second.Text, StringComparison.Ordinal);
    }

    private static Task<MachineProcess> RunAsync(Fleet fleet, Machine machine) =>
        fleet.RunAsync(machine, ["--on-restore-failure", "fail"], "/usr/bin/python3", "-c", Program);

    /// <summary>One snapshot before and one after the program changed the image's files; the packs of the first, and 16 bytes that both have and that the second alone has.</summary>
    private static async Task<(long[] Snapshots, string[] OldPacks, byte[] Always, byte[] Late)> TwoSnapshotsAsync(Fleet fleet)
    {
        var a = await fleet.MachineAsync("machine-a");
        var run = await RunAsync(fleet, a);
        await Fleet.UntilPrintedAsync(run, "started ");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        var old = fleet.Packs();
        Fleet.Open(a, "/run/one");
        await Fleet.UntilPrintedAsync(run, "one ");
        var words = (await fleet.TakeAwayAsync(a, run)).Text.Split(' ', '\n');
        await a.DestroyAsync();
        return (fleet.Snapshots(), old, Convert.FromHexString(words[1]), Convert.FromHexString(words[3]));
    }

    /// <summary>Changes a bit of those bytes wherever a pack has them.</summary>
    private static void Flip(Fleet fleet, byte[] bytes)
    {
        var found = 0;
        foreach (var path in fleet.Packs())
        {
            var content = File.ReadAllBytes(path);
            for (var at = content.AsSpan().IndexOf(bytes); at >= 0; at = content.AsSpan().IndexOf(bytes))
            {
                content[at] ^= 4;
                found++;
            }

            File.WriteAllBytes(path, content);
        }

        Assert.True(found > 0, "the packs do not have the bytes as they are");
    }
}
