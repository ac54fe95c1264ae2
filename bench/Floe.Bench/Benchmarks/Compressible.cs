using System.Globalization;
using Floe.Testing.S3;

namespace Floe.Bench.Benchmarks;

/// <summary>Memory as interpreters and virtual machines leave it, against the chain of tools that does the same.</summary>
internal static class Compressible
{
    private const int MiB = 1024;
    private const long WarmBytes = 512L << 20;
    private const string Legend =
        "time of `criu dump` to tmpfs, then `tar | zstd -1 | aws s3 cp` to a discarding server / time of a first snapshot of the same process to the same server; larger is better";

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

        await using var task = await FloeTask.StartAsync(bench, s3, name, command, cancellationToken);
        await task.LineAsync("ready", cancellationToken);
        var report = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
        var peer = (await task.ShellAsync(PeerScript(s3, await task.RootPidAsync(cancellationToken)), cancellationToken))
            .Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray();
        return
        [
            new Measurement(name, (peer[0] + peer[1]) / report.TotalMillis, 5, Better.Larger, new Dictionary<string, double>
            {
                ["snapshotMillis"] = report.TotalMillis, ["frozenMillis"] = report.FrozenMillis,
                ["dumpMillis"] = report.Timings!.DumpMillis, ["captureMillis"] = report.Timings.CaptureMillis, ["readBytes"] = report.ReadBytes, ["sentBytes"] = report.SentBytes,
                ["criuDumpMillis"] = peer[0], ["tarZstdAwsMillis"] = peer[1], ["imageBytes"] = peer[2],
            }),
        ];
    }

    /// <summary>CRIU from the bundle, the rest from Debian. The three programs after the dump run as a pipeline, which is the best that the chain can do.</summary>
    private static string PeerScript(DoubleProcess s3, string pid) => $$"""
        {{CriuPeer.Function}}
        mkdir /run/images
        start=$(date +%s%N)
        criu dump -t {{pid}} --leave-running {{CriuPeer.DumpOptions}}
        dumped=$(date +%s%N)
        tar -C /run -c images | zstd -1 -q | aws s3 cp --only-show-errors --endpoint-url {{s3.Endpoint.ToString().TrimEnd('/')}} - s3://{{S3Double.Bucket}}/peer.tar.zst
        sent=$(date +%s%N)
        echo $(((dumped - start) / 1000000)) $(((sent - dumped) / 1000000)) $(du -sb /run/images | cut -f 1)
        rm -r /run/images
        """;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
