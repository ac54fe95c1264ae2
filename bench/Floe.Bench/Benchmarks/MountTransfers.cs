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
        "2 GiB in order through the mount; medians of 3 in turn; larger is better. The server is as S3 behind 6.25 Gbit/s, the most that two vCPUs have on EC2, and 20 ms; with " +
        "-loopback in the name it answers at once and takes as much of the two CPUs as it likes, and the limit is what was reached (docs/decisions/0047). mount-random: reads of 4 KiB a second at random places of a 1 GiB file that is whole in the cache / " +
        "of the same file in the cache's folder; larger is better; with -plain in the name the kernel is not given the file to read itself, as before Linux 6.9. mount-memory: most resident memory of the mount's process in all of it / 256 MiB; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken) =>
        [.. await RunAsync(bench, isPaced: true, "", cancellationToken), .. await RunAsync(bench, isPaced: false, "-loopback", cancellationToken)];

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, bool isPaced, string suffix, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken, isPaced);
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

        List<Measurement> measured = [Compared($"mount-read{suffix}", isPaced ? 0.85 : 0.35, read, readCpu, gets, getCpu), Compared($"mount-write{suffix}", isPaced ? 0.85 : 0.6, written, writeCpu, puts, putCpu)];
        if (!isPaced)
        {
            await peer.UploadMillisAsync("transfers/random", memory, 1 << 30, cancellationToken);
            measured.Add(await RandomAsync("mount-random", 0.9, folder, cancellationToken));
            var peak = folder.PeakBytes();
            measured.Add(new Measurement("mount-memory", peak / MaxResidentBytes, 1, Better.Smaller, new Dictionary<string, double> { ["peakBytes"] = peak }));
        }

        if (!isPaced)
        {
            await using var plain = await MountedFolder.StartAsync(bench, s3, "transfers", cancellationToken, passesThrough: false);
            measured.Add(await RandomAsync("mount-random-plain", 0.5, plain, cancellationToken));
        }

        return measured;
    }

    private static Measurement Compared(string name, double limit, List<double> mount, List<double> mountCpu, List<double> peer, List<double> peerCpu)
    {
        var (mine, theirs) = (Workbench.Median(mount), Workbench.Median(peer));
        return new Measurement(name, theirs / mine, limit, Better.Larger, new Dictionary<string, double>
        {
            ["mountMillis"] = mine, ["peerMillis"] = theirs, ["mountCpuMillis"] = Workbench.Median(mountCpu), ["peerCpuMillis"] = Workbench.Median(peerCpu), ["mebibytes"] = MiB,
        });
    }

    private static async Task<Measurement> RandomAsync(string name, double limit, MountedFolder folder, CancellationToken cancellationToken)
    {
        const int Reads = 200_000;
        // What was read is in the cache when the mount had time to write it there.
        await folder.ShellAsync("for i in $(seq 50); do dd if=/data/random iflag=nocache count=0 status=none; cat /data/random > /cache/local; sleep 0.3; [ $(du -sm /cache | cut -f 1) -ge 2048 ] && exit 0; done; exit 1", cancellationToken);
        var (mine, local) = (new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            local.Add(await folder.MillisAsync($"random /cache/local {Reads}", cancellationToken));
            mine.Add(await folder.MillisAsync($"random /data/random {Reads}", cancellationToken));
        }

        var (ours, theirs) = (Reads / Workbench.Median(mine), Reads / Workbench.Median(local));
        return new Measurement(name, ours / theirs, limit, Better.Larger, new Dictionary<string, double> { ["mountReadsPerMilli"] = ours, ["localReadsPerMilli"] = theirs });
    }

    private static async Task TimeAsync(List<double> millis, List<double> cpu, int pid, Func<Task<double>> work)
    {
        NativeBlock.Touch(3 * Bytes);
        var before = ProcessorTime.MillisOf(pid);
        millis.Add(await work());
        cpu.Add(ProcessorTime.MillisOf(pid) - before);
    }
}
