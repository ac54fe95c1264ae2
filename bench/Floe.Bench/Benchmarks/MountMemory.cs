namespace Floe.Bench.Benchmarks;

/// <summary>The memory of the mount's process where everything that it holds buffers for is wanted at once.</summary>
internal static class MountMemory
{
    private const int Folders = 100;
    private const int FilesInEach = 1_000;
    private const long LargeBytes = 1L << 30;
    private const double MaxResidentBytes = 256 << 20;

    public static Benchmark Benchmark { get; } = new(
        "mount-memory",
        "mount-memory-full: most resident memory of the mount's process / 256 MiB, while 100,000 files in 100 folders are looked at one by one and renamed together, a file of 1 GiB is read, " +
        "another is written, a third is changed in every part, and 2,000 small ones are made, all at the same time and with a cache of 256 MiB; smaller is better. The server answers at once",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using var buckets = s3.OpenBuckets();
        var peer = new BucketPeer(buckets.Open(DoubleProcess.Bucket));
        using var memory = new NativeBlock(LargeBytes);
        foreach (var name in new[] { "read", "changed" })
        {
            await peer.UploadMillisAsync($"memory/{name}", memory, LargeBytes, cancellationToken);
        }

        for (var i = 0; i < Folders; i++)
        {
            await peer.PutMillisAsync($"memory/many/{i}/", FilesInEach, 1, cancellationToken);
        }

        await using var folder = await MountedFolder.StartAsync(bench, s3, "memory", cancellationToken, "--cache-size 256M");
        await folder.ShellAsync("mkdir /data/small", cancellationToken);
        await Task.WhenAll(
            folder.ShellAsync("find /data/many -ls > /dev/null && mv /data/many /data/moved", cancellationToken),
            folder.MillisAsync("read /data/read", cancellationToken),
            folder.MillisAsync("write /data/written 1024", cancellationToken),
            folder.MillisAsync("change /data/changed", cancellationToken),
            folder.MillisAsync("small /data/small 2000", cancellationToken));
        var peak = folder.PeakBytes();
        return [new Measurement("mount-memory-full", peak / MaxResidentBytes, 1, Better.Smaller, new Dictionary<string, double> { ["peakBytes"] = peak, ["files"] = Folders * FilesInEach })];
    }
}
