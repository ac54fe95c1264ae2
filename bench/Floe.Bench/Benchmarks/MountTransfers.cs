namespace Floe.Bench.Benchmarks;

/// <summary>Large files through the mount, against the client's own requests; and what the mount's process needs for it all.</summary>
internal static class MountTransfers
{
    private const int MiB = 2048;
    private const long Bytes = (long)MiB << 20;
    private const int Rounds = 3;
    private const double MaxResidentBytes = 256 << 20;

    public static Benchmark Benchmark { get; } = new(
        "mount-transfers",
        "mount-read, mount-write: time of the same client's parallel ranged GETs (parts of one upload, from memory) of 2 GiB / time of reading (writing and fsync) a file of " +
        "2 GiB in order through the mount; medians of 3 in turn; larger is better. mount-random: reads of 4 KiB a second at random places of a 1 GiB file that is whole in the cache / " +
        "of the same file in the cache's folder; larger is better. mount-memory: most resident memory of the mount's process in all of it / 256 MiB; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using var buckets = s3.OpenBuckets();
        var peer = new BucketPeer(buckets.Open(DoubleProcess.Bucket));
        using var memory = new NativeBlock(Bytes);
        for (var round = 0; round < Rounds; round++)
        {
            await peer.UploadMillisAsync($"transfers/in{round}", memory, Bytes, cancellationToken);
        }

        var (read, gets, written, puts) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        var (readCpu, getCpu, writeCpu, putCpu) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        await peer.GetMillisAsync("transfers/in0", cancellationToken);
        await using var folder = await MountedFolder.StartAsync(bench, s3, "transfers", cancellationToken);
        for (var round = 0; round < Rounds; round++)
        {
            await TimeAsync(gets, getCpu, Environment.ProcessId, () => peer.GetMillisAsync($"transfers/in{round}", cancellationToken));
            await TimeAsync(read, readCpu, folder.Mount.HostPid, () => folder.MillisAsync($"read /data/in{round}", cancellationToken));
            await TimeAsync(puts, putCpu, Environment.ProcessId, () => peer.UploadMillisAsync($"peer/out{round}", memory, Bytes, cancellationToken));
            await TimeAsync(written, writeCpu, folder.Mount.HostPid, () => folder.MillisAsync($"write /data/out{round} {MiB}", cancellationToken));
            // The cache is in memory here.
            await folder.ShellAsync($"rm /data/in{round} /data/out{round}", cancellationToken);
        }

        var random = await RandomAsync(peer, memory, folder, cancellationToken);
        var (mine, theirs) = (Workbench.Median(read), Workbench.Median(gets));
        var (up, upAlone) = (Workbench.Median(written), Workbench.Median(puts));
        var peak = folder.PeakBytes();
        return
        [
            new Measurement("mount-read", theirs / mine, 0.85, Better.Larger, new Dictionary<string, double>
            {
                ["mountMillis"] = mine, ["getMillis"] = theirs, ["mountCpuMillis"] = Workbench.Median(readCpu), ["getCpuMillis"] = Workbench.Median(getCpu), ["mebibytes"] = MiB,
            }),
            new Measurement("mount-write", upAlone / up, 0.85, Better.Larger, new Dictionary<string, double>
            {
                ["mountMillis"] = up, ["putMillis"] = upAlone, ["mountCpuMillis"] = Workbench.Median(writeCpu), ["putCpuMillis"] = Workbench.Median(putCpu), ["mebibytes"] = MiB,
            }),
            random,
            new Measurement("mount-memory", peak / MaxResidentBytes, 1, Better.Smaller, new Dictionary<string, double> { ["peakBytes"] = peak }),
        ];
    }

    private static async Task<Measurement> RandomAsync(BucketPeer peer, NativeBlock memory, MountedFolder folder, CancellationToken cancellationToken)
    {
        const int Reads = 200_000;
        await peer.UploadMillisAsync("transfers/random", memory, 1 << 30, cancellationToken);
        await folder.MillisAsync("read /data/random", cancellationToken);
        await folder.ShellAsync("cat /data/random > /cache/local", cancellationToken);
        var (mine, local) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            local.Add(await folder.MillisAsync($"random /cache/local {Reads}", cancellationToken));
            mine.Add(await folder.MillisAsync($"random /data/random {Reads}", cancellationToken));
        }

        var (ours, theirs) = (Reads / Workbench.Median(mine), Reads / Workbench.Median(local));
        return new Measurement("mount-random", ours / theirs, 0.9, Better.Larger, new Dictionary<string, double> { ["mountReadsPerMilli"] = ours, ["localReadsPerMilli"] = theirs });
    }

    private static async Task TimeAsync(List<double> millis, List<double> cpu, int pid, Func<Task<double>> work)
    {
        NativeBlock.Touch(3 * Bytes);
        var before = ProcessorTime.MillisOf(pid);
        millis.Add(await work());
        cpu.Add(ProcessorTime.MillisOf(pid) - before);
    }
}
