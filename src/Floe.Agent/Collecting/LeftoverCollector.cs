using System.Runtime.CompilerServices;
using Floe.Agent.Launch;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Store;

namespace Floe.Agent.Collecting;

public enum LeftoverKind
{
    /// <summary>A multipart upload that was never completed.</summary>
    Upload,

    /// <summary>A task in a store: its snapshots, packs, lease.</summary>
    Task,
}

/// <summary>Something that a dead machine left.</summary>
/// <param name="What">Its URL.</param>
/// <param name="Since">When an upload was begun; when a task was last touched.</param>
/// <param name="Problem">Why it could not be removed; null where it was, or was not to be.</param>
public sealed record Leftover(LeftoverKind Kind, string What, DateTimeOffset Since, bool IsRemoved, string? Problem = null);

/// <summary>
/// Finds what machines that died left below a prefix of a bucket, which may be a store itself or hold work directories with a store in each
/// (<c>.floe/</c>). One listing finds everything, so a prefix with millions of objects costs one request a thousand.
/// </summary>
public sealed class LeftoverCollector(IBucketService buckets, Func<StoreUrl, IObjectStore> open, TimeProvider time)
{
    private const string Tasks = "tasks/";

    /// <summary>Each as soon as it is removed. What cannot be, for a reason of its own, is told and keeps nothing else.</summary>
    /// <param name="untouchedFor">Only what nobody has touched for so long, by the store's clock: this machine's may be days off.</param>
    public async IAsyncEnumerable<Leftover> CollectAsync(
        StoreUrl url, TimeSpan untouchedFor, bool removes, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var bucket = buckets.Open(url.Container);
        var prefix = url.Path.Length == 0 ? "" : url.Path + "/";

        // Looked up once: what is touched while this runs is never old, however long it runs.
        var before = await NowAsync(bucket, prefix, cancellationToken).ConfigureAwait(false) - untouchedFor;
        await foreach (var upload in bucket.ListUploadsAsync(prefix, cancellationToken).ConfigureAwait(false))
        {
            if (upload.Initiated < before)
            {
                var (isGone, problem) = await TryAsync(removes, async () =>
                {
                    await bucket.AbortUploadAsync(upload.Key, upload.UploadId, cancellationToken).ConfigureAwait(false);
                    return true;
                }).ConfigureAwait(false);
                yield return new Leftover(LeftoverKind.Upload, $"s3://{url.Container}/{upload.Key}", upload.Initiated, isGone, problem);
            }
        }

        await foreach (var (store, key, touched) in TasksAsync(bucket, prefix, cancellationToken).ConfigureAwait(false))
        {
            if (touched >= before)
            {
                continue;
            }

            var (isGone, problem) = await TryAsync(removes, () => TryRemoveAsync(url.Container, store, key, before, cancellationToken)).ConfigureAwait(false);
            if (isGone || !removes || problem is not null)
            {
                yield return new Leftover(LeftoverKind.Task, $"s3://{url.Container}/{store}{Tasks}{key}", touched, isGone, problem);
            }
        }
    }

    /// <exception cref="ObjectStoreException">The bucket fails, and would for all that follow.</exception>
    private static async Task<(bool IsGone, string? Problem)> TryAsync(bool removes, Func<Task<bool>> remove)
    {
        try
        {
            return (removes && await remove().ConfigureAwait(false), null);
        }
        catch (Exception e) when (e is SnapshotDamagedException
            or ObjectStoreException { Kind: not (ObjectStoreErrorKind.Unavailable or ObjectStoreErrorKind.Busy or ObjectStoreErrorKind.Credentials) })
        {
            return (false, e.Message);
        }
    }

    private static async Task<DateTimeOffset> NowAsync(IBucketClient bucket, string prefix, CancellationToken cancellationToken)
    {
        var page = await bucket.ListAsync(prefix, null, null, 1, cancellationToken).ConfigureAwait(false);
        return page.ServerTime ?? throw new ObjectStoreException(
            ObjectStoreErrorKind.Unsupported, $"s3://{bucket.Bucket}: answers carry no Date, so nobody can tell what is old; remove leftovers by hand");
    }

    /// <summary>All tasks with the time of their newest object, which is their lease's while an agent lives. A trace alone is no task: it stays.</summary>
    private static async IAsyncEnumerable<(string Store, TaskKey Key, DateTimeOffset Touched)> TasksAsync(
        IBucketClient bucket, string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        (string Store, TaskKey Key)? current = null;
        var (touched, isTask) = (DateTimeOffset.MinValue, false);
        string? token = null;
        do
        {
            // Keys come in order, so those of a task stand together.
            var page = await bucket.ListAsync(prefix, null, token, 1000, cancellationToken).ConfigureAwait(false);
            foreach (var found in page.Objects)
            {
                var place = PlaceOf(found.Key, prefix);
                if (place is null || (place.Value.Store, place.Value.Key) != current)
                {
                    if (current is { } done && isTask)
                    {
                        yield return (done.Store, done.Key, touched);
                    }

                    current = place is { } next ? (next.Store, next.Key) : null;
                    (touched, isTask) = (DateTimeOffset.MinValue, false);
                }

                if (place is { } here)
                {
                    isTask |= here.Name != "trace.json";
                    touched = found.LastModified > touched ? found.LastModified : touched;
                }
            }

            token = page.NextToken;
        }
        while (token is not null);

        if (current is { } last && isTask)
        {
            yield return (last.Store, last.Key, touched);
        }
    }

    /// <summary>The store, the task and the name below it of an object's key; null for one that is no task's.</summary>
    private static (string Store, TaskKey Key, string Name)? PlaceOf(string key, string prefix)
    {
        const string Own = FusionLine.StoreFolder + "/";
        var below = key[prefix.Length..];
        var store = below.StartsWith(Tasks, StringComparison.Ordinal) ? prefix
            : below.StartsWith(Own, StringComparison.Ordinal) ? prefix + Own
            : below.IndexOf($"/{Own}", StringComparison.Ordinal) is >= 0 and var at ? key[..(prefix.Length + at + 1 + Own.Length)]
            : null;
        if (store is null || !key.AsSpan(store.Length).StartsWith(Tasks, StringComparison.Ordinal))
        {
            return null;
        }

        var rest = key[(store.Length + Tasks.Length)..];
        return rest.IndexOf('/', StringComparison.Ordinal) is > 0 and var slash && TaskKey.TryParse(rest[..slash], out var task, out _)
            ? (store, task, rest[(slash + 1)..]) : null;
    }

    /// <summary>False: it is no store of ours, or somebody took the task up this moment.</summary>
    private async Task<bool> TryRemoveAsync(string bucket, string store, TaskKey key, DateTimeOffset before, CancellationToken cancellationToken)
    {
        var url = StoreUrl.TryParse($"s3://{bucket}/{store.TrimEnd('/')}", out _);
        if (url is null)
        {
            return false;
        }

        await using var objects = open(url);
        try
        {
            var snapshots = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions { TimeProvider = time }, false, cancellationToken).ConfigureAwait(false);
            var request = new LeaseRequest { HolderId = Guid.NewGuid().ToString("n"), Host = Environment.MachineName };
            return await snapshots.TryRemoveAbandonedAsync(key, request, before, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is UnsupportedFormatException or ObjectStoreException { Kind: ObjectStoreErrorKind.NotFound })
        {
            return false;
        }
    }
}
