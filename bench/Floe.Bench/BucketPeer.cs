using System.Diagnostics;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.Bench;

/// <summary>The requests alone, by the client that the file system uses.</summary>
internal sealed class BucketPeer(IBucketClient client)
{
    private const int PartBytes = 8 << 20;

    public async Task<ObjectVersion> VersionAsync(string key, CancellationToken cancellationToken) =>
        await client.HeadAsync(key, cancellationToken) is { } head
            ? new ObjectVersion(client.Bucket, key, head.ETag, head.Size) : throw new InvalidOperationException($"there is no object {key}");

    /// <summary>All of an object in ranges of 8 MiB over all connections, into memory that is used again.</summary>
    public async Task<double> GetMillisAsync(string key, CancellationToken cancellationToken)
    {
        var version = await VersionAsync(key, cancellationToken);
        var started = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = client.MaxConnections, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, (int)(version.Size / PartBytes), parallel, async (i, token) =>
            await client.ReadRangeAsync(version, (long)i * PartBytes, PartBytes, static (_, _) => ValueTask.CompletedTask, token));
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    /// <summary>One object from memory, in parts of 8 MiB over all connections.</summary>
    public async Task<double> UploadMillisAsync(string key, NativeBlock memory, long bytes, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var upload = await client.CreateUploadAsync(key, ObjectHeaders.Empty, cancellationToken);
        var parts = new UploadedPart[bytes / PartBytes];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = client.MaxConnections, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, parts.Length, parallel, async (i, token) =>
            parts[i] = await client.UploadPartAsync(upload, i + 1, memory.Slice((long)i * PartBytes, PartBytes), token));
        await client.CompleteUploadAsync(upload, parts, PutCondition.None, cancellationToken);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    public async Task<double> PutMillisAsync(string prefix, int count, int bytes, CancellationToken cancellationToken)
    {
        var content = new byte[bytes];
        new Random(1).NextBytes(content);
        var started = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = client.MaxConnections, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, count, parallel, async (i, token) =>
            await client.PutAsync($"{prefix}{i}", content, ObjectHeaders.Empty, PutCondition.IfAbsent, token));
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    public async Task<double> ListMillisAsync(string prefix, int count, CancellationToken cancellationToken)
    {
        var started = Stopwatch.GetTimestamp();
        var (found, token) = (0, (string?)null);
        do
        {
            var page = await client.ListAsync(prefix, "/", token, 1000, cancellationToken);
            found += page.Objects.Count;
            token = page.NextToken;
        }
        while (token is not null);
        return found == count ? Stopwatch.GetElapsedTime(started).TotalMilliseconds : throw new InvalidOperationException($"{found} keys were listed, not {count}");
    }
}
