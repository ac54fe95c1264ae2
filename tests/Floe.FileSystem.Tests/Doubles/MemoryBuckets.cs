using System.Collections.Concurrent;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Tests.Doubles;

/// <summary>A service of buckets in memory. Everything in it happens at once and is consistent, as S3 is.</summary>
internal sealed class MemoryBuckets : IBucketService
{
    private readonly ConcurrentDictionary<string, MemoryBucket> _buckets = new();

    public MemoryBuckets(params string[] names)
    {
        foreach (var name in names)
        {
            Add(name);
        }
    }

    public void Add(string name) => _buckets[name] = new MemoryBucket(this, name) { Exists = true };

    public MemoryBucket this[string name] => _buckets[name];

    /// <summary>Why the buckets cannot be listed; null: they can.</summary>
    public ObjectStoreErrorKind? ListFault { get; set; }

    public Task<IReadOnlyList<BucketInfo>> ListBucketsAsync(CancellationToken cancellationToken) => ListFault is { } fault
        ? throw new ObjectStoreException(fault, "buckets") : Task.FromResult<IReadOnlyList<BucketInfo>>(
        [.. _buckets.Values.Where(b => b.Exists).Select(b => new BucketInfo(b.Bucket, DateTimeOffset.UnixEpoch)).OrderBy(b => b.Name, StringComparer.Ordinal)]);

    public IBucketClient Open(string bucket) => bucket.Length >= 3
        ? _buckets.GetOrAdd(bucket, name => new MemoryBucket(this, name)) : throw new ArgumentException("no bucket's name", nameof(bucket));

    public ValueTask DisposeAsync() => default;
}
