using Floe.FileSystem;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.WorkFolders;

/// <summary>
/// The folder of a bucket that one task has to itself, as a Nextflow task has its work directory. An attempt whose machine died may have
/// written there after its last snapshot, or without any; what it wrote must not be met by the attempt that goes on or starts again: a log would
/// have lines twice, a file that must be new would be there already. Only the holder of the task's lease may change anything here.
/// </summary>
internal sealed partial class WorkFolder(IBucketClient bucket, BucketFolder folder, ILogger logger)
{
    // What Floe keeps there is no part of the task's.
    private const string OwnFolder = Launch.FusionLine.StoreFolder + "/";

    // The list of a folder's links says what objects are links; one that names objects that are gone does no harm.
    private const string LinkList = ".fusion.symlinks";

    // What S3 deletes in one request, so that the list of what is to go stays short.
    private const int DeleteBatch = 1000;

    public async Task<WorkListing> ListAsync(CancellationToken cancellationToken)
    {
        var objects = new Dictionary<string, string>(StringComparer.Ordinal);
        await foreach (var found in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (objects.Count == WorkListing.MaxObjects)
            {
                throw new WorkFolderException($"{folder} holds more than {WorkListing.MaxObjects} objects: that is no work folder of one task");
            }

            objects[Name(found)] = found.ETag.Value;
        }

        return new WorkListing { Objects = objects };
    }

    /// <summary>Before a start from the beginning: removes what is there now and was not at the task's first start.</summary>
    public async Task CleanAsync(WorkListing start, CancellationToken cancellationToken)
    {
        var removed = await RemoveAsync(found => !start.Objects.ContainsKey(Name(found)), cancellationToken).ConfigureAwait(false);
        var aborted = await AbortUploadsAsync(static _ => true, cancellationToken).ConfigureAwait(false);
        if (removed + aborted > 0)
        {
            LogCleaned(removed, aborted, folder.ToString());
        }
    }

    /// <summary>Before a restore: removes what was written after the snapshot.</summary>
    /// <param name="snapshot">The folder when the snapshot was taken.</param>
    /// <param name="carried">Keys of the bucket whose state is the snapshot's; the file system knows what became of them.</param>
    /// <exception cref="WorkFolderException">An object that the snapshot rests on was changed or removed since.</exception>
    public async Task RevertAsync(WorkListing snapshot, IReadOnlySet<string> carried, CancellationToken cancellationToken)
    {
        var missing = snapshot.Objects.Keys.Where(name => !carried.Contains(folder.Prefix + name)).ToHashSet(StringComparer.Ordinal);
        await foreach (var found in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            var name = Name(found);
            missing.Remove(name);
            if (!carried.Contains(found.Key) && !IsLinkList(name) && snapshot.Objects.TryGetValue(name, out var etag) && etag != found.ETag.Value)
            {
                throw new WorkFolderException($"{folder}{name} was written again after the snapshot was taken");
            }
        }

        if (missing.FirstOrDefault(static name => !IsLinkList(name)) is { } gone)
        {
            throw new WorkFolderException($"{folder}{gone} was removed after the snapshot was taken");
        }

        // Only now that nothing speaks against it.
        var removed = await RemoveAsync(
            found => !carried.Contains(found.Key) && !snapshot.Objects.ContainsKey(Name(found)), cancellationToken).ConfigureAwait(false);
        var aborted = await AbortUploadsAsync(upload => !carried.Contains(upload.Key), cancellationToken).ConfigureAwait(false);
        if (removed + aborted > 0)
        {
            LogReverted(removed, aborted, folder.ToString());
        }
    }

    private static bool IsLinkList(string name) => name == LinkList || name.EndsWith($"/{LinkList}", StringComparison.Ordinal);

    private string Name(ListedObject found) => found.Key[folder.Prefix.Length..];

    private async IAsyncEnumerable<ListedObject> ObjectsAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? token = null;
        do
        {
            var page = await bucket.ListAsync(folder.Prefix, null, token, 1000, cancellationToken).ConfigureAwait(false);
            foreach (var found in page.Objects)
            {
                if (!found.Key.AsSpan(folder.Prefix.Length).StartsWith(OwnFolder, StringComparison.Ordinal) && found.Key.Length > folder.Prefix.Length)
                {
                    yield return found;
                }
            }

            token = page.NextToken;
        }
        while (token is not null);
    }

    private async Task<int> RemoveAsync(Func<ListedObject, bool> isToGo, CancellationToken cancellationToken)
    {
        var (count, batch) = (0, new List<string>());
        await foreach (var found in ObjectsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!isToGo(found))
            {
                continue;
            }

            batch.Add(found.Key);
            count++;
            if (batch.Count == DeleteBatch)
            {
                await bucket.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
                batch.Clear();
            }
        }

        if (batch.Count > 0)
        {
            await bucket.DeleteAsync(batch, cancellationToken).ConfigureAwait(false);
        }

        return count;
    }

    private async Task<int> AbortUploadsAsync(Func<BucketUpload, bool> isToGo, CancellationToken cancellationToken)
    {
        var count = 0;
        try
        {
            await foreach (var upload in bucket.ListUploadsAsync(folder.Prefix, cancellationToken).ConfigureAwait(false))
            {
                if (!upload.Key.AsSpan(folder.Prefix.Length).StartsWith(OwnFolder, StringComparison.Ordinal) && isToGo(upload))
                {
                    await bucket.AbortUploadAsync(upload.Key, upload.UploadId, cancellationToken).ConfigureAwait(false);
                    count++;
                }
            }
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.AccessDenied)
        {
            // An unfinished upload costs money, not results; `floe gc` finds it.
            LogUploadsNotSeen(e.Message);
        }

        return count;
    }

    [LoggerMessage(EventId = 4720, Level = LogLevel.Warning, Message = "Removed {Objects} objects and {Uploads} unfinished uploads that an earlier attempt left in {Folder}")]
    private partial void LogCleaned(int objects, int uploads, string folder);

    [LoggerMessage(EventId = 4721, Level = LogLevel.Warning, Message = "Removed {Objects} objects and {Uploads} unfinished uploads that were written to {Folder} after the snapshot")]
    private partial void LogReverted(int objects, int uploads, string folder);

    [LoggerMessage(EventId = 4722, Level = LogLevel.Warning, Message = "Unfinished uploads of an earlier attempt stay: {Reason}")]
    private partial void LogUploadsNotSeen(string reason);
}
