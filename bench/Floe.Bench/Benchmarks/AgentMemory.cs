using System.Globalization;

namespace Floe.Bench.Benchmarks;

/// <summary>The agent's own memory while it takes a snapshot.</summary>
internal static class AgentMemory
{
    public static Benchmark Benchmark { get; } = new(
        "agent-memory",
        "peak resident memory (VmHWM) of all floe processes beside a task, summed, during its first snapshot / (128 MiB + 0.2 % of the task's memory); " +
        "tasks of 512 MiB, 2 GiB and 6 GiB that do not compress; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        var measured = new List<Measurement>();
        foreach (var mebibytes in (int[])[512, 2048, 6144])
        {
            await using var task = await FloeTask.StartAsync(bench, s3, $"memory-{mebibytes}", [$"{Workbench.ProgramsAt}/memory", mebibytes.ToString(CultureInfo.InvariantCulture), "11"], cancellationToken);
            await task.LineAsync("ready", cancellationToken);
            using var watch = new PeakMemory(task.Run.HostPid);
            var report = await task.SnapshotAsync(leaveRunning: true, cancellationToken, watch.Begin);
            var peak = await watch.EndAsync();
            var allowed = (128 << 20) + (0.002 * ((long)mebibytes << 20));
            measured.Add(new Measurement($"agent-memory-{mebibytes}m", peak / allowed, 1, Better.Smaller, new Dictionary<string, double>
            {
                ["peakBytes"] = peak, ["allowedBytes"] = allowed, ["taskMebibytes"] = mebibytes, ["snapshotMillis"] = report.TotalMillis, ["dumpMillis"] = report.Timings!.DumpMillis, ["captureMillis"] = report.Timings.CaptureMillis, ["processes"] = watch.Processes,
            }));
        }

        return measured;
    }
}
