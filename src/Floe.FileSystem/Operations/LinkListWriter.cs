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
#pragma warning disable CA1001 // Semaphores whose wait handle nobody asks for hold nothing to dispose of.
internal sealed partial class LinkListWriter(IBucketService buckets, ObjectHeaders headers, ILogger logger)
#pragma warning restore CA1001
{
    private const int MaxTries = 10;

    private const int MaxFolders = 1024;

    private const int UsualBytes = 1 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Bucket, string Prefix), Pending> _pending = [];
    private readonly Dictionary<(string Bucket, string Prefix), long> _written = [];
    private readonly HashSet<(string Bucket, string Prefix)> _tooLong = [];
    private readonly SemaphoreSlim _long = new(1);
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

    /// <summary>Makes of a folder's list, as the bucket has it, the one that it will be: with the changes that the bucket does not have yet.</summary>
    public void Complete(string bucket, string prefix, HashSet<string> names)
    {
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
    }

    /// <summary>
    /// The names in a folder's list, as the bucket has it. None where there is no list; nor where it is longer than <see cref="LinkList.MaxBytes"/>,
    /// for links that were made here are known without it.
    /// </summary>
    public async Task<HashSet<string>> ReadAsync(IBucketClient bucket, string prefix, CancellationToken cancellationToken)
    {
        try
        {
            return await WithListAsync(
                bucket, prefix + LinkList.Name, list => Task.FromResult(list is null ? [] : LinkList.Parse(list.Content)), cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.TooLarge)
        {
            NoteTooLong(bucket.Bucket, prefix);
            return [];
        }
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
                if (!await WriteAsync(buckets.Open(bucket), prefix + LinkList.Name, changes).ConfigureAwait(false))
                {
                    NoteTooLong(bucket, prefix);
                }
            }
            catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.TooLarge)
            {
                NoteTooLong(bucket, prefix);
            }
            catch (Exception e)
            {
                // Whatever it is: who waits for this goes on. The links themselves are in the bucket and marked; only readers of the list miss them.
                LogFailed(bucket, prefix, e);
            }

            Count(bucket, prefix);
        }
    }

    /// <summary>Before the written names stop being pending.</summary>
    private void Count(string bucket, string prefix)
    {
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

    /// <summary>False: not all names had room in the list.</summary>
    private async Task<bool> WriteAsync(IBucketClient bucket, string key, Dictionary<string, bool> changes)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await WithListAsync(bucket, key, list => WriteAsync(bucket, key, list, changes), CancellationToken.None).ConfigureAwait(false);
            }
            catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.PreconditionFailed && attempt < MaxTries)
            {
                // Somebody else changed it: read it again.
            }
        }
    }

    private async Task<bool> WriteAsync(IBucketClient bucket, string key, SmallObject? current, Dictionary<string, bool> changes)
    {
        var names = current is null ? [] : LinkList.Parse(current.Content);
        var bytes = names.Sum(n => (long)LinkList.BytesOf(n));
        var (isChanged, hadRoom) = (false, true);
        // Removals first: they make room.
        foreach (var (name, isThere) in changes.OrderBy(c => c.Value))
        {
            if (!isThere)
            {
                var isRemoved = names.Remove(name);
                isChanged |= isRemoved;
                bytes -= isRemoved ? LinkList.BytesOf(name) : 0;
            }
            else if (!names.Contains(name))
            {
                var hasRoom = bytes + LinkList.BytesOf(name) <= LinkList.MaxBytes;
                hadRoom &= hasRoom;
                isChanged |= hasRoom && names.Add(name);
                bytes += hasRoom ? LinkList.BytesOf(name) : 0;
            }
        }

        if (isChanged && names.Count == 0)
        {
            await bucket.DeleteAsync([key], CancellationToken.None).ConfigureAwait(false);
        }
        else if (isChanged)
        {
            var condition = current is null ? PutCondition.IfAbsent : PutCondition.IfMatch(current.ETag);
            await bucket.PutAsync(key, LinkList.Format(names), headers, condition, CancellationToken.None).ConfigureAwait(false);
        }

        return hadRoom;
    }

    /// <summary>Reads a list for a use; only one that is long is in memory at a time.</summary>
    private async Task<T> WithListAsync<T>(IBucketClient bucket, string key, Func<SmallObject?, Task<T>> use, CancellationToken cancellationToken)
    {
        SmallObject? list;
        try
        {
            list = await bucket.GetAsync(key, UsualBytes, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.TooLarge)
        {
            await _long.WaitAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await use(await bucket.GetAsync(key, LinkList.MaxBytes, cancellationToken).ConfigureAwait(false)).ConfigureAwait(false);
            }
            finally
            {
                _long.Release();
            }
        }

        return await use(list).ConfigureAwait(false);
    }

    private void NoteTooLong(string bucket, string prefix)
    {
        lock (_gate)
        {
            if (_tooLong.Count >= MaxFolders || !_tooLong.Add((bucket, prefix)))
            {
                return;
            }
        }

        LogTooLong(bucket, prefix, LinkList.MaxBytes >> 20);
    }

    [LoggerMessage(3102, LogLevel.Warning, "The list of links in s3://{Bucket}/{Prefix} takes no more than {MaxMebibytes} MiB here: links that are not in it Nextflow may take for files, and of a longer one nothing is read")]
    private partial void LogTooLong(string bucket, string prefix, int maxMebibytes);

    [LoggerMessage(3101, LogLevel.Warning, "The list of links in s3://{Bucket}/{Prefix} could not be written; Nextflow may take links there for files")]
    private partial void LogFailed(string bucket, string prefix, Exception exception);
}
