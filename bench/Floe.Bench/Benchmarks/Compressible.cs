using System.Globalization;
using Floe.Testing.S3;

namespace Floe.Bench.Benchmarks;

/// <summary>Memory as interpreters and virtual machines leave it, against the chain of tools that does the same.</summary>
internal static class Compressible
{
    private const int MiB = 1024;
    private const long WarmBytes = 512L << 20;

    // More than either side uses anew: buffers here; images, their archive and its compressed form there.
    private const long SnapshotNewBytes = 512L << 20;
    private const long StepsNewBytes = 4L << 30;
    private const int Rounds = 3;
    private const string Legend =
        "time of `criu dump` to a tmpfs, `tar`, `zstd -1`, `aws s3 cp` to a discarding server, one after the other / time of a first snapshot of the same process to the " +
        "same server; with -piped in the name the last three run at once, as a pipeline; medians of 3, each with a process of its own; larger is better";

    public static Benchmark Python { get; } = new(
        "compressible-python", $"a Python heap of 1 GiB: {Legend}",
        (bench, cancellationToken) => RunAsync(bench, "compressible-python", ["/usr/bin/python3", $"{Workbench.ProgramsAt}/heap.py", Text(MiB)], cancellationToken));

    public static Benchmark Java { get; } = new(
        "compressible-java", $"a Java heap of 1 GiB: {Legend}",
        (bench, cancellationToken) => RunAsync(
            bench, "compressible-java", ["/usr/bin/java", "-Xms1200m", "-Xmx1200m", "-XX:+UseSerialGC", "-cp", Workbench.ProgramsAt, "Heap", Text(900)], cancellationToken));

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, string name, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        if (!File.Exists("/usr/bin/aws"))
        {
            throw new InvalidOperationException("/usr/bin/aws is missing: run eng/tools bench");
        }

        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using (var store = s3.Open("warm"))
        using (var memory = new NativeBlock(WarmBytes))
        {
            // The server's first requests cost it its own start, which is neither side's.
            await PutPeer.MillisAsync(store, "warm", memory, WarmBytes, 4 << 20, cancellationToken);
        }

        var rounds = new List<Dictionary<string, double>>();
        for (var round = 0; round < Rounds; round++)
        {
            rounds.Add(await RoundAsync(bench, s3, $"{name}-{round}", command, cancellationToken));
        }

        var figures = rounds[0].Keys.ToDictionary(figure => figure, figure => Workbench.Median(rounds.Select(r => r[figure])));
        return
        [
            new Measurement(name, figures["stepsMillis"] / figures["snapshotMillis"], 5, Better.Larger, figures),
            new Measurement($"{name}-piped", figures["pipedMillis"] / figures["snapshotMillis"], 3, Better.Larger, figures),
        ];
    }

    private static async Task<Dictionary<string, double>> RoundAsync(Workbench bench, DoubleProcess s3, string prefix, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        await using var task = await FloeTask.StartAsync(bench, s3, prefix, command, cancellationToken);
        await task.LineAsync("ready", cancellationToken);
        NativeBlock.Touch(SnapshotNewBytes);
        var (agentCpu, serverCpu) = (ProcessorTime.MillisOf(task.Run.HostPid), ProcessorTime.MillisOf(s3.Pid));
        var report = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
        (agentCpu, serverCpu) = (ProcessorTime.MillisOf(task.Run.HostPid) - agentCpu, ProcessorTime.MillisOf(s3.Pid) - serverCpu);
        NativeBlock.Touch(StepsNewBytes);
        var peer = (await task.ShellAsync(PeerScript(s3, await task.RootPidAsync(cancellationToken)), cancellationToken))
            .Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        return new Dictionary<string, double>
        {
            ["snapshotMillis"] = report.TotalMillis, ["frozenMillis"] = report.FrozenMillis,
            ["dumpMillis"] = report.Timings!.DumpMillis, ["captureMillis"] = report.Timings.CaptureMillis, ["readBytes"] = report.ReadBytes, ["sentBytes"] = report.SentBytes,
            ["agentCpuMillis"] = agentCpu, ["serverCpuMillis"] = serverCpu,
            ["stepsMillis"] = peer[..4].Sum(), ["pipedMillis"] = peer[0] + peer[4],
            ["criuDumpMillis"] = peer[0], ["tarMillis"] = peer[1], ["zstdMillis"] = peer[2], ["awsMillis"] = peer[3], ["imageBytes"] = peer[5], ["peerSentBytes"] = peer[6],
        };
    }

    /// <summary>CRIU from the bundle, the rest from Debian. All files are in a tmpfs, and the pipeline is measured on the same images.</summary>
    private static string PeerScript(DoubleProcess s3, string pid) => $$"""
        {{CriuPeer.Function}}
        now() { echo $(($(date +%s%N) / 1000000)); }
        put() { aws s3 cp --only-show-errors --endpoint-url {{s3.Endpoint.ToString().TrimEnd('/')}} $1 s3://{{S3Double.Bucket}}/peer.tar.zst; }
        cd /run
        mkdir images
        t0=$(now); criu dump -t {{pid}} --leave-running {{CriuPeer.DumpOptions}}
        t1=$(now); tar -cf images.tar images
        t2=$(now); zstd -1 -q images.tar
        t3=$(now); put images.tar.zst
        t4=$(now); tar -c images | zstd -1 -q | put -
        t5=$(now)
        echo $((t1 - t0)) $((t2 - t1)) $((t3 - t2)) $((t4 - t3)) $((t5 - t4)) $(du -sb images | cut -f 1) $(stat -c %s images.tar.zst)
        rm -r images images.tar images.tar.zst
        """;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
