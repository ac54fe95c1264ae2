using System.Globalization;
using Floe.Store;

namespace Floe.Bench.Benchmarks;

/// <summary>Capture and upload of memory that does not compress, against the upload alone.</summary>
internal static class CaptureUpload
{
    private const int MiB = 2048;
    private const int Rounds = 3;

    public static Benchmark Benchmark { get; } = new(
        "capture-upload",
        "time of a first snapshot (asked for until committed) of a resident 2 GiB that do not compress / time of the same client's PUTs of as many bytes from memory, " +
        "same connections, same object size, same discarding server; median of 3; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using var store = s3.Open("peer");
        using var memory = new NativeBlock((long)MiB << 20);
        var objectBytes = new SnapshotWriterOptions().Buffers(store.MaxConnections).PackBytes;
        await PutPeer.MillisAsync(store, "warm", memory, 512L << 20, objectBytes, cancellationToken);

        var (ours, frozen, peer) = (new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            peer.Add(await PutPeer.MillisAsync(store, $"before-{round}", memory, (long)MiB << 20, objectBytes, cancellationToken));
            await using var task = await FloeTask.StartAsync(bench, s3, $"capture-{round}", [$"{Workbench.ProgramsAt}/memory", MiB.ToString(CultureInfo.InvariantCulture), $"{round + 1}"], cancellationToken);
            await task.LineAsync("ready", cancellationToken);
            var report = await task.SnapshotAsync(leaveRunning: true, cancellationToken);
            if (report.SentBytes < (long)MiB << 20)
            {
                throw new InvalidOperationException($"only {report.SentBytes} bytes were sent");
            }

            ours.Add(report.TotalMillis);
            frozen.Add(report.FrozenMillis);
        }

        peer.Add(await PutPeer.MillisAsync(store, "after", memory, (long)MiB << 20, objectBytes, cancellationToken));
        var (mine, theirs) = (Workbench.Median(ours), Workbench.Median(peer));
        return
        [
            new Measurement("capture-upload", mine / theirs, 1.3, Better.Smaller, new Dictionary<string, double>
            {
                ["snapshotMillis"] = mine, ["frozenMillis"] = Workbench.Median(frozen), ["putMillis"] = theirs, ["mebibytes"] = MiB,
                ["objectBytes"] = objectBytes, ["connections"] = store.MaxConnections,
            }),
        ];
    }
}
