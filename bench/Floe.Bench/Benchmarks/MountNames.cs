using System.Diagnostics;

namespace Floe.Bench.Benchmarks;

/// <summary>Many names through the mount, against the client's own requests.</summary>
internal static class MountNames
{
    private const int Keys = 10_000;
    private const int SmallFiles = 2_000;
    private const int SmallBytes = 4096;
    private const int Rounds = 3;

    public static Benchmark Benchmark { get; } = new(
        "mount-names",
        "mount-list: time of listing a folder of 10,000 keys through the mount / time of the List requests alone; smaller is better. mount-small: time of the same " +
        "client's 2,000 parallel PUTs of 4 KiB / time from making the first of as many files until the mount's process has ended with all of them in the bucket; larger is better; medians of 3. The server is as S3 behind " +
        "6.25 Gbit/s and 20 ms; with -loopback in the name it answers at once, and the limit of mount-small is what was reached (docs/decisions/0047)",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken) =>
        [.. await RunAsync(bench, isPaced: true, "", cancellationToken), .. await RunAsync(bench, isPaced: false, "-loopback", cancellationToken)];

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, bool isPaced, string suffix, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: true, cancellationToken, isPaced);
        await using var buckets = s3.OpenBuckets();
        var peer = new BucketPeer(buckets.Open(DoubleProcess.Bucket));
        await peer.PutMillisAsync("names/many/", Keys, 1, cancellationToken);
        var (listed, lists, made, closed, puts) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            await using var folder = await MountedFolder.StartAsync(bench, s3, "names", cancellationToken);
            await folder.ShellAsync($"mkdir /data/small{round}", cancellationToken);
            lists.Add(await peer.ListMillisAsync("names/many/", Keys, cancellationToken));
            listed.Add(await folder.MillisAsync($"list /data/many {Keys}", cancellationToken));
            puts.Add(await peer.PutMillisAsync($"peer/small{round}/", SmallFiles, SmallBytes, cancellationToken));
            var started = Stopwatch.GetTimestamp();
            closed.Add(await folder.MillisAsync($"small /data/small{round} {SmallFiles}", cancellationToken));
            await folder.ShellAsync("umount /data", cancellationToken);
            await folder.Mount.Ended.WaitAsync(cancellationToken);
            made.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            await peer.ListMillisAsync($"names/small{round}/", SmallFiles + 1, cancellationToken);
        }

        var (list, alone) = (Workbench.Median(listed), Workbench.Median(lists));
        var (small, put) = (Workbench.Median(made), Workbench.Median(puts));
        return
        [
            new Measurement($"mount-list{suffix}", list / alone, 1.5, Better.Smaller, new Dictionary<string, double> { ["mountMillis"] = list, ["listMillis"] = alone, ["keys"] = Keys }),
            new Measurement($"mount-small{suffix}", put / small, isPaced ? 0.8 : 0.15, Better.Larger, new Dictionary<string, double>
            {
                ["mountMillis"] = small, ["closedMillis"] = Workbench.Median(closed), ["putMillis"] = put, ["files"] = SmallFiles,
            }),
        ];
    }
}
