using Floe.FileSystem.Names;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Operations;

/// <summary>
/// Keeps the folders' lists of links (<see cref="LinkList"/>) in the bucket, behind the file operations: many links of one folder become few
/// writes. A list is changed by compare-and-swap, so that others may change it too; it goes with its last link.
/// </summary>
/// <param name="headers">Of every list.</param>
internal sealed partial class LinkListWriter(IBucketService buckets, ObjectHeaders headers, ILogger logger)
{
    private const int MaxTries = 10;

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Bucket, string Prefix), Pending> _pending = [];
    private readonly Dictionary<(string Bucket, string Prefix), long> _written = [];
    private long _writes;
    private long _writtenElsewhere;

    private sealed class Pending
    {
        /// <summary>Names to add (true) or to take out.</summary>
        public Dictionary<string, bool> Changes { get; set; } = new(StringComparer.Ordinal);

        /// <summary>Those that are being written.</summary>
        public Dictionary<string, bool> OnTheWay { get; set; } = new(StringComparer.Ordinal);

        public Task Writing { get; set; } = Task.CompletedTask;
    }

    public void Change(string bucket, string prefix, string name, bool isThere)
    {
        lock (_gate)
        {
            if (!_pending.TryGetValue((bucket, prefix), out var pending))
            {
                _pending.Add((bucket, prefix), pending = new Pending());
                pending.Changes[name] = isThere;
                pending.Writing = Task.Run(() => WriteAllAsync(bucket, prefix, pending));
                return;
            }

            pending.Changes[name] = isThere;
        }
    }

    /// <summary>
    /// Another number after every write of a folder's list: what was read of the bucket before a write, and completed after it, lacks its names.
    /// </summary>
    public long Writes(string bucket, string prefix)
    {
        lock (_gate)
        {
            return _written.GetValueOrDefault((bucket, prefix), _writtenElsewhere);
        }
    }

    /// <summary>A folder's list as it will be: what the bucket has, and the changes that it does not have yet.</summary>
    public HashSet<string> Complete(string bucket, string prefix, IEnumerable<string> written)
    {
        HashSet<string> names = [.. written];
        lock (_gate)
        {
            if (_pending.TryGetValue((bucket, prefix), out var pending))
            {
                foreach (var (name, isThere) in pending.OnTheWay.Concat(pending.Changes))
                {
                    _ = isThere ? names.Add(name) : names.Remove(name);
                }
            }
        }

        return names;
    }

    public async Task DrainAsync(CancellationToken cancellationToken)
    {
        List<Task> writing;
        lock (_gate)
        {
            writing = [.. _pending.Values.Select(p => p.Writing)];
        }

        await Task.WhenAll(writing).WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>For the folder with the prefix alone.</summary>
    public async Task DrainAsync(string bucket, string prefix, CancellationToken cancellationToken)
    {
        Task? writing;
        lock (_gate)
        {
            writing = _pending.GetValueOrDefault((bucket, prefix))?.Writing;
        }

        if (writing is not null)
        {
            await writing.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task WriteAllAsync(string bucket, string prefix, Pending pending)
    {
        while (true)
        {
            Dictionary<string, bool> changes;
            lock (_gate)
            {
                changes = pending.OnTheWay = pending.Changes;
                if (changes.Count == 0)
                {
                    _pending.Remove((bucket, prefix));
                    return;
                }

                pending.Changes = new(StringComparer.Ordinal);
            }

            try
            {
                await WriteAsync(buckets.Open(bucket), prefix + LinkList.Name, changes).ConfigureAwait(false);
            }
            catch (ObjectStoreException e)
            {
                // The links themselves are in the bucket and marked; only readers of the list miss them.
                LogFailed(bucket, prefix, e);
            }

            Count(bucket, prefix);
        }
    }

    /// <summary>Before the written names stop being pending.</summary>
    private void Count(string bucket, string prefix)
    {
        const int MaxFolders = 1024;
        lock (_gate)
        {
            if (_written.Count >= MaxFolders)
            {
                _written.Clear();
                _writtenElsewhere = ++_writes;
            }

            _written[(bucket, prefix)] = ++_writes;
        }
    }

    private async Task WriteAsync(IBucketClient bucket, string key, Dictionary<string, bool> changes)
    {
        for (var attempt = 1; ; attempt++)
        {
            var current = await bucket.GetAsync(key, LinkList.MaxBytes, CancellationToken.None).ConfigureAwait(false);
            var names = current is null ? [] : LinkList.Parse(current.Content);
            var isChanged = false;
            foreach (var (name, isThere) in changes)
            {
                isChanged |= isThere ? names.Add(name) : names.Remove(name);
            }

            if (!isChanged)
            {
                return;
            }

            if (names.Count == 0)
            {
                await bucket.DeleteAsync([key], CancellationToken.None).ConfigureAwait(false);
                return;
            }

            try
            {
                var condition = current is null ? PutCondition.IfAbsent : PutCondition.IfMatch(current.ETag);
                await bucket.PutAsync(key, LinkList.Format(names), headers, condition, CancellationToken.None).ConfigureAwait(false);
                return;
            }
            catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.PreconditionFailed && attempt < MaxTries)
            {
                // Somebody else changed it: read it again.
            }
        }
    }

    [LoggerMessage(3101, LogLevel.Warning, "The list of links in s3://{Bucket}/{Prefix} could not be written; Nextflow may take links there for files")]
    private partial void LogFailed(string bucket, string prefix, Exception exception);
}
