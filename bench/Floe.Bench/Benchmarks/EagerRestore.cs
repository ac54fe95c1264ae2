using System.Diagnostics;
using System.Globalization;
using System.Text;
using Floe.S3;
using Floe.Testing.Machines;

namespace Floe.Bench.Benchmarks;

/// <summary>A restore from S3, against its two halves: fetching the bytes, and building the processes from images that are there.</summary>
internal static class EagerRestore
{
    private const string MiB = "2048";
    private const int RangeBytes = 2 << 20;
    private const int Rounds = 3;

    public static Benchmark Benchmark { get; } = new(
        "eager-restore",
        "time from the start of `floe run` until a task of 2 GiB that do not compress runs again / the longer of (ranged GETs of its packs by the same client, " +
        "CRIU's restore of the same program from images in tmpfs); the server keeps objects in its memory; medians of 3; smaller is better. It is as S3 behind 6.25 Gbit/s, " +
        "the most that two vCPUs have on EC2, and 20 ms; with -loopback in the name it answers at once",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken) =>
        [await RunAsync(bench, isPaced: true, "eager-restore", cancellationToken), await RunAsync(bench, isPaced: false, "eager-restore-loopback", cancellationToken)];

    private static async Task<Measurement> RunAsync(Workbench bench, bool isPaced, string name, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: true, cancellationToken, isPaced);
        IReadOnlyList<string> command = [$"{Workbench.ProgramsAt}/memory", MiB, "31"];
        await using (var task = await FloeTask.StartAsync(bench, s3, "restore", command, cancellationToken))
        {
            await task.LineAsync("ready", cancellationToken);
            await task.SnapshotAsync(leaveRunning: false, cancellationToken);
            await task.EndedAsync(cancellationToken);
        }

        await using var store = s3.Open("restore");
        var (ours, gets, criu) = (new List<double>(), new List<double>(), new List<double>());
        await GetMillisAsync(store, cancellationToken);
        for (var round = 0; round < Rounds; round++)
        {
            // The task's memory is new on either side.
            NativeBlock.Touch(2L * int.Parse(MiB, CultureInfo.InvariantCulture) << 20);
            ours.Add(await RestoreMillisAsync(bench, s3, command, cancellationToken));
            gets.Add(await GetMillisAsync(store, cancellationToken));
            NativeBlock.Touch(2L * int.Parse(MiB, CultureInfo.InvariantCulture) << 20);
            criu.Add(await CriuMillisAsync(bench, command, cancellationToken));
        }

        var (mine, get, local) = (Workbench.Median(ours), Workbench.Median(gets), Workbench.Median(criu));
        return new Measurement(name, mine / Math.Max(get, local), 1.5, Better.Smaller, new Dictionary<string, double>
        {
            ["restoreMillis"] = mine, ["getMillis"] = get, ["criuRestoreMillis"] = local, ["connections"] = store.MaxConnections,
        });
    }

    /// <summary>Ends with another snapshot of the task, which hands the lease over to the next round's machine.</summary>
    private static async Task<double> RestoreMillisAsync(Workbench bench, DoubleProcess s3, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        await using var task = await FloeTask.StartAsync(bench, s3, "restore", command, cancellationToken);
        var resumed = double.Parse(await task.LineAsync("resumed", cancellationToken), CultureInfo.InvariantCulture);
        if (Encoding.UTF8.GetString(task.Run.Output).Contains("ready", StringComparison.Ordinal))
        {
            throw new InvalidOperationException($"the task was started afresh, not restored: {task.Run.Errors}");
        }

        var millis = (resumed - double.Parse(task.Run.Errors.Split('\n')[0], CultureInfo.InvariantCulture)) / 1e6;
        await task.SnapshotAsync(leaveRunning: false, cancellationToken);
        await task.EndedAsync(cancellationToken);
        return millis;
    }

    private static async Task<double> GetMillisAsync(IObjectStore store, CancellationToken cancellationToken)
    {
        var ranges = new List<(ObjectKey Key, long Offset, int Count)>();
        await foreach (var pack in store.ListAsync(new ObjectKey("tasks/bench/packs/"), cancellationToken))
        {
            for (long offset = 0; offset < pack.Size; offset += RangeBytes)
            {
                ranges.Add((pack.Key, offset, (int)Math.Min(RangeBytes, pack.Size - offset)));
            }
        }

        using var memory = new NativeBlock((long)store.MaxConnections * RangeBytes);
        var free = new System.Collections.Concurrent.ConcurrentBag<Memory<byte>>(Enumerable.Range(0, store.MaxConnections).Select(i => memory.Slice((long)i * RangeBytes, RangeBytes)));
        var started = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = store.MaxConnections, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(ranges, parallel, async (range, token) =>
        {
            free.TryTake(out var buffer);
            await store.ReadRangeAsync(range.Key, range.Offset, buffer[..range.Count], token);
            free.Add(buffer);
        });
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static async Task<double> CriuMillisAsync(Workbench bench, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        await using var machine = await FloeTask.CreateMachineAsync(bench, cancellationToken, MachineKind.Host);
        var text = await FloeTask.ShellAsync(machine, null, $$"""
            {{CriuPeer.Function}}
            mkdir /run/images
            setsid {{string.Join(' ', command)}} </dev/null >/run/out 2>&1 &
            task=$!
            until grep -q ready /run/out; do sleep 0.05; done
            criu dump -t $task {{CriuPeer.DumpOptions}}
            wait $task || true
            lines=$(wc -l </run/out)
            start=$(date +%s%N)
            criu restore {{CriuPeer.RestoreOptions}} --pidfile /run/pid
            until [ $(wc -l </run/out) -gt $lines ]; do sleep 0.01; done
            set -- $(tail -n 1 /run/out)
            kill -9 $(cat /run/pid)
            echo $((($2 - start) / 1000))
            """, Machine.DefaultEnvironment, cancellationToken);
        return double.Parse(text, CultureInfo.InvariantCulture) / 1000;
    }
}
