using System.Globalization;
using System.Security.Cryptography;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;
using static Floe.IntegrationTests.FileSystem.MountedFleet;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>Machines that die while they bring a task back, in any moment of it: what the task left must wait whole for the next one.</summary>
public sealed class KilledRestoreTests
{
    /// <summary>
    /// Appends to a log that it opens anew for each line, writes a large file that stays open, replaces a file by renaming, makes and removes others, and
    /// rewrites the middle of a file: all on the mount.
    /// </summary>
    private const string Program = """
        import hashlib, os, sys, time
        steps = 240
        big = open("big", "wb")
        data = hashlib.sha256(b"big").digest() * 2048
        held = open("held.log", "a")
        with open("block", "wb") as f:
            f.write(bytes(3_000_000))
        for step in range(steps):
            with open("log", "a") as f:
                f.write(f"line {step} " + "x" * 4000 + "\n")
            held.write(f"{step}\n"); held.flush()
            for i in range(4):
                big.write(data)
            with open("next", "w") as f:
                f.write(f"state {step}\n" * 100)
            os.rename("next", "state")
            with open(f"file-{step}", "w") as f:
                f.write(str(step) * 1000)
            if step % 3:
                os.remove(f"file-{step - 1}") if os.path.exists(f"file-{step - 1}") else None
            with open("block", "r+b") as f:
                f.seek(step * 12_000); f.write(b"%08d" % step)
            time.sleep(0.02)
            print(step, flush=True)
        big.close(); held.close()
        """;

    private static readonly Lazy<Random> s_random = new(() =>
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"FLOE_TEST_SEED={seed}");
        return new Random(seed);
    });

    /// <summary>The full count runs in a target of its own.</summary>
    [Fact]
    public async Task Run_RestoresKilledAtAnyRequest_GoesOnFromTheSameSnapshot()
    {
        var kills = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_KILLS"), CultureInfo.InvariantCulture, out var given) ? given : 1;
        var expected = await UndisturbedAsync();
        while (kills > 0)
        {
            // Answers take a while, so that there are always files whose upload is under way.
            await using var fleet = await StartAsync(new S3DoubleOptions { Pace = new S3DoublePace(TimeSpan.FromMilliseconds(30), 100e6) });
            var machine = await fleet.MachineAsync("machine");
            var run = await StartTaskAsync(fleet, machine);
            await UntilPrintedAsync(run, "0\n");
            var requests = 0;
            for (var move = 0; move == 0 || (move < 5 && kills > 0); move++)
            {
                await Task.Delay(s_random.Value.Next(200, 1000), Token);
                await fleet.TakeAwayAsync(machine, run);
                if (move > 0)
                {
                    await KillARestoreAsync(fleet, $"killed-{move}", s_random.Value.Next(1, requests));
                    kills--;
                }

                var before = fleet.Server.CallCount;
                machine = await fleet.MachineAsync($"machine-{move}");
                run = await StartTaskAsync(fleet, machine);
                await UntilAsync(run, () => IsRestored(run), "restore");
                requests = (int)(fleet.Server.CallCount - before);
            }

            var ended = await EndAsync(run);
            Assert.True(ended.Status.ShellCode == 0, ended.Errors);
            Assert.Equal(expected, Outputs(fleet));
            Assert.Equal(0, fleet.Server.OpenUploadCount);
        }
    }

    /// <summary>From one request on nothing of this machine reaches the store, and a little later it is gone.</summary>
    private static async Task KillARestoreAsync(MountedFleet fleet, string name, int lastRequest)
    {
        var (requests, isCut) = (0, false);
        fleet.Server.Faults.Add(new(S3DoubleFaultKind.Stall, int.MaxValue) { Where = _ => isCut |= Interlocked.Increment(ref requests) >= lastRequest });
        var machine = await fleet.MachineAsync(name);
        var run = await StartTaskAsync(fleet, machine);
        await UntilAsync(run, () => Volatile.Read(ref isCut), $"request {lastRequest}");
        await Task.Delay(s_random.Value.Next(0, 500), Token);
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: cut off at request {lastRequest}, {(IsRestored(run) ? "after" : "before")} the task ran");
        await machine.DestroyAsync();
        fleet.Server.Faults.Clear();
    }

    /// <summary>Where a restore fails, that is the end: no older snapshot, no new beginning.</summary>
    private static Task<MachineProcess> StartTaskAsync(MountedFleet fleet, Machine machine) =>
        fleet.RunAsync(machine, ["--on-restore-failure=fail"], "/usr/bin/python3", "-c", Program);

    private static bool IsRestored(MachineProcess run) => run.Errors.Contains("Restored snapshot", StringComparison.Ordinal);

    private static async Task<IReadOnlyDictionary<string, string>> UndisturbedAsync()
    {
        await using var fleet = await StartAsync();
        var ended = await EndAsync(await StartTaskAsync(fleet, await fleet.MachineAsync("undisturbed")));
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        return Outputs(fleet);
    }

    private static SortedDictionary<string, string> Outputs(MountedFleet fleet) => new(fleet.Server.KeysBelow(Prefix).ToDictionary(
        key => key, key => Convert.ToHexString(SHA256.HashData(fleet.Server.Read(key)!))), StringComparer.Ordinal);
}
