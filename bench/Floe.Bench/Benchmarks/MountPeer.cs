namespace Floe.Bench.Benchmarks;

/// <summary>Large files through the mount and through s3fs, side by side on the same server.</summary>
internal static class MountPeer
{
    private const int MiB = 512;
    private const int Rounds = 3;
    private const string Program = "/usr/bin/s3fs";

    public static Benchmark Benchmark { get; } = new(
        "mount-s3fs",
        "mount-s3fs-read, mount-s3fs-write: time of reading (writing and fsync) a file of 512 MiB in order through s3fs / the same through the mount, same server, both " +
        "caches in memory; medians of 3 in turn; larger is better. Left out where s3fs is not installed",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        if (!File.Exists(Program))
        {
            Console.WriteLine("# mount-s3fs: left out, s3fs is not installed here (apt-get install --no-install-recommends s3fs)");
            return [];
        }

        await using var s3 = await DoubleProcess.StartAsync(keeps: true, cancellationToken);
        await using var buckets = s3.OpenBuckets();
        var peer = new BucketPeer(buckets.Open(DoubleProcess.Bucket));
        using var memory = new NativeBlock((long)MiB << 20);
        await using var folder = await MountedFolder.StartAsync(bench, s3, "side", cancellationToken);
        var environment = s3.ClientEnvironment;
        await folder.ShellAsync(
            $"""
            mkdir /s3fs /s3fs-cache
            echo {environment["AWS_ACCESS_KEY_ID"]}:{environment["AWS_SECRET_ACCESS_KEY"]} > /s3fs.keys && chmod 600 /s3fs.keys
            env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY {Program} {DoubleProcess.Bucket}:/side /s3fs -o passwd_file=/s3fs.keys,url={environment["FLOE_S3_ENDPOINT"]},use_path_request_style,use_cache=/s3fs-cache,parallel_count=16,multipart_size=8
            for i in $(seq 500); do mountpoint -q /s3fs && exit 0; sleep 0.02; done; exit 1
            """, cancellationToken);
        var (ours, theirs, ourWrites, theirWrites) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        for (var round = 0; round < Rounds; round++)
        {
            await peer.UploadMillisAsync($"side/in{round}", memory, (long)MiB << 20, cancellationToken);
            await TimeAsync(ours, $"read /data/in{round}");
            await TimeAsync(theirs, $"read /s3fs/in{round}");
            await TimeAsync(ourWrites, $"write /data/ours{round} {MiB}");
            await TimeAsync(theirWrites, $"write /s3fs/theirs{round} {MiB}");
        }

        return [Compared("mount-s3fs-read", ours, theirs), Compared("mount-s3fs-write", ourWrites, theirWrites)];

        async Task TimeAsync(List<double> millis, string work)
        {
            NativeBlock.Touch(4L * MiB << 20);
            millis.Add(await folder.MillisAsync(work, cancellationToken));
        }
    }

    private static Measurement Compared(string name, List<double> ours, List<double> theirs)
    {
        var (mine, other) = (Workbench.Median(ours), Workbench.Median(theirs));
        return new Measurement(name, other / mine, 1, Better.Larger, new Dictionary<string, double> { ["mountMillis"] = mine, ["s3fsMillis"] = other, ["mebibytes"] = MiB });
    }
}
