namespace Floe.Bench.Benchmarks;

/// <summary>What a snapshot sends when little has changed since the one before.</summary>
internal static class SecondSnapshot
{
    public static Benchmark Benchmark { get; } = new(
        "second-snapshot",
        "bytes sent by the second snapshot / by the first, 1 GiB that do not compress, after 1 % of the pages, chosen at random, were written anew; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using var task = await FloeTask.StartAsync(bench, s3, "second", [$"{Workbench.ProgramsAt}/memory", "1024", "23"], cancellationToken);
        await task.LineAsync("ready", cancellationToken);
        var first = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
        await task.ShellAsync($"kill -USR1 $(cat /proc/{await task.RootPidAsync(cancellationToken)}/task/*/children)", cancellationToken);
        await task.LineAsync("changed", cancellationToken);
        var second = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
        return
        [
            new Measurement("second-snapshot", (double)second.SentBytes / first.SentBytes, 0.05, Better.Smaller, new Dictionary<string, double>
            {
                ["firstSentBytes"] = first.SentBytes, ["secondSentBytes"] = second.SentBytes, ["firstMillis"] = first.TotalMillis, ["secondMillis"] = second.TotalMillis,
            }),
        ];
    }
}
