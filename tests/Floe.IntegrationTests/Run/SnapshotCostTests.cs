using System.Collections.Concurrent;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What a snapshot of a real task sends, and what of it lies on the machine's disk meanwhile.</summary>
public sealed class SnapshotCostTests
{
    private const int MiB = 1 << 20;
    private const int RandomMiB = 100;
    private const int ZeroMiB = 64;

    /// <summary>Holds memory that cannot be compressed, and zeros that were written; on a word it writes to 1 % of the pages of the first.</summary>
    private static readonly string s_program = $$"""
        import os, random, time
        data, zeros = bytearray(os.urandom({{RandomMiB}} << 20)), bytearray({{ZeroMiB}} << 20)
        zeros[::4096] = bytes(len(zeros) // 4096)
        print('ready', flush=True)
        while not os.path.exists('/run/change'): time.sleep(0.01)
        for page in random.Random(1).sample(range(len(data) // 4096), len(data) // 409600): data[page * 4096 + 100] ^= 1
        print('changed', flush=True)
        while not os.path.exists('/run/go'): time.sleep(0.01)
        """;

    [Fact]
    public async Task Snapshot_ZerosAndAFewChangedPages_AreNotSentAndLittleIs()
    {
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], "/usr/bin/python3", "-c", s_program);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        var asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
        Fleet.AssertStatus(0, asked);
        var first = Fleet.Json(asked);
        Assert.InRange(first.GetProperty("zeroBytes").GetInt64(), ZeroMiB * MiB, (ZeroMiB + 20) * MiB);
        Assert.InRange(first.GetProperty("sentBytes").GetInt64(), RandomMiB * MiB, (RandomMiB + 10) * MiB);
        Assert.InRange(StoredBytes(), RandomMiB * MiB, (RandomMiB + 10) * MiB);

        Fleet.Open(a, "/run/change");
        await Fleet.UntilPrintedAsync(run, "changed\n");
        var before = StoredBytes();
        asked = await fleet.SnapshotAsync(a, run, "--leave-running", "--json");
        Fleet.AssertStatus(0, asked);
        var limit = first.GetProperty("sentBytes").GetInt64() / 20;
        Assert.InRange(Fleet.Json(asked).GetProperty("sentBytes").GetInt64(), RandomMiB * MiB / 100, limit);
        Assert.InRange(StoredBytes() - before, RandomMiB * MiB / 100, limit);
        Fleet.Open(a, "/run/go");
        Fleet.AssertStatus(0, await Fleet.EndAsync(run));

        long StoredBytes() => Directory.EnumerateFiles(fleet.StoreFolder, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length);
    }

    /// <summary>The machine's disk may be small, slow or full: CRIU's logs are all that a snapshot and a restore write to it.</summary>
    [Fact]
    public async Task Snapshot_InItsMiddleAndInThatOfItsRestore_NoImageIsOnDisk()
    {
        const string script = "import os, time; x = os.urandom(8 << 20); print('ready', flush=True)\nwhile not os.path.exists('/run/go'): time.sleep(0.01)\nprint(len(x))";
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        fleet.Environment["FLOE_STATE_DIR"] = "/var/floe";
        var seen = new ConcurrentDictionary<string, long>();
        var root = "";
        s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Error)
        {
            Where = call =>
            {
                Look($"{root}/var/floe", call.Method, seen);
                return false;
            },
        });
        var a = await fleet.MachineAsync("machine-a");
        root = a.RootPath;
        var run = await fleet.RunAsync(a, [], "/usr/bin/python3", "-c", script);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        root = "/none";
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        root = b.RootPath;
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunAsync(b, [], "/usr/bin/python3", "-c", script));
        Fleet.AssertStatus(0, second);
        Assert.Equal("8388608\n", second.Text);
        Assert.Contains(seen.Keys, name => name.StartsWith("PUT ", StringComparison.Ordinal) && name.EndsWith(".log", StringComparison.Ordinal));
        Assert.Contains(seen.Keys, name => name.StartsWith("GET ", StringComparison.Ordinal) && name.EndsWith(".log", StringComparison.Ordinal));
        Assert.DoesNotContain(seen, file => file.Key.EndsWith(".img", StringComparison.Ordinal) || file.Value > MiB);
    }

    /// <summary>Notes the files below a folder, and how long each has been at most.</summary>
    private static void Look(string folder, string during, ConcurrentDictionary<string, long> seen)
    {
        try
        {
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories))
            {
                seen.AddOrUpdate($"{during} {file.Name}", static (_, length) => length, static (_, most, length) => Math.Max(most, length), file.Length);
            }
        }
        catch (IOException)
        {
            // The agent removes its folder, or the machine is no more.
        }
    }
}
