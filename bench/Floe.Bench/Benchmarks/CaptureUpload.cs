using System.Globalization;
using Floe.Store;

namespace Floe.Bench.Benchmarks;

/// <summary>Capture and upload of memory that does not compress, against the upload alone.</summary>
internal static class CaptureUpload
{
    private const int MiB = 2048;
    private const int Rounds = 3;

    // More than either side uses anew.
    private const long NewBytes = 512L << 20;

    public static Benchmark Benchmark { get; } = new(
        "capture-upload",
        "time of a first snapshot (asked for until committed) of a resident 2 GiB that do not compress / time of the same client's PUTs of as many bytes from memory, " +
        "same connections, same object size, same discarding server; medians of 3; smaller is better. The server is as S3 behind 6.25 Gbit/s, the most that two vCPUs have " +
        "on EC2, and 20 ms; with -loopback in the name it answers at once and takes two thirds of the two CPUs, so that the ratio is one of processor time",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken) =>
        [await RunAsync(bench, isPaced: true, "capture-upload", cancellationToken), await RunAsync(bench, isPaced: false, "capture-upload-loopback", cancellationToken)];

    private static async Task<Measurement> RunAsync(Workbench bench, bool isPaced, string name, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken, isPaced);
        await using var store = s3.Open("peer");
        using var memory = new NativeBlock((long)MiB << 20);
        var objectBytes = new SnapshotWriterOptions().Buffers(store.MaxConnections).PackBytes;
        await PutPeer.MillisAsync(store, "warm", memory, 512L << 20, objectBytes, cancellationToken);

        var (ours, frozen, peer) = (new List<double>(), new List<double>(), new List<double>());
        var (ourCpu, ourServerCpu, peerCpu, peerServerCpu) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            NativeBlock.Touch(NewBytes);
            var (client, server) = (ProcessorTime.MillisOf(Environment.ProcessId), ProcessorTime.MillisOf(s3.Pid));
            peer.Add(await PutPeer.MillisAsync(store, $"before-{round}", memory, (long)MiB << 20, objectBytes, cancellationToken));
            peerCpu.Add(ProcessorTime.MillisOf(Environment.ProcessId) - client);
            peerServerCpu.Add(ProcessorTime.MillisOf(s3.Pid) - server);
            await using var task = await FloeTask.StartAsync(bench, s3, $"capture-{round}", [$"{Workbench.ProgramsAt}/memory", MiB.ToString(CultureInfo.InvariantCulture), $"{round + 1}"], cancellationToken);
            await task.LineAsync("ready", cancellationToken);
            NativeBlock.Touch(NewBytes);
            (client, server) = (ProcessorTime.MillisOf(task.Run.HostPid), ProcessorTime.MillisOf(s3.Pid));
            var report = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
            if (report.SentBytes < (long)MiB << 20)
            {
                throw new InvalidOperationException($"only {report.SentBytes} bytes were sent");
            }

            ours.Add(report.TotalMillis);
            frozen.Add(report.FrozenMillis);
            ourCpu.Add(ProcessorTime.MillisOf(task.Run.HostPid) - client);
            ourServerCpu.Add(ProcessorTime.MillisOf(s3.Pid) - server);
        }

        peer.Add(await PutPeer.MillisAsync(store, "after", memory, (long)MiB << 20, objectBytes, cancellationToken));
        var (mine, theirs) = (Workbench.Median(ours), Workbench.Median(peer));
        return new Measurement(name, mine / theirs, 1.3, Better.Smaller, new Dictionary<string, double>
        {
            ["snapshotMillis"] = mine, ["frozenMillis"] = Workbench.Median(frozen), ["putMillis"] = theirs, ["mebibytes"] = MiB,
            ["snapshotAgentCpuMillis"] = Workbench.Median(ourCpu), ["snapshotServerCpuMillis"] = Workbench.Median(ourServerCpu),
            ["putClientCpuMillis"] = Workbench.Median(peerCpu), ["putServerCpuMillis"] = Workbench.Median(peerServerCpu),
            ["objectBytes"] = objectBytes, ["connections"] = store.MaxConnections,
        });
    }
}
