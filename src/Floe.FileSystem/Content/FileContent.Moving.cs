using Floe.FileSystem.Moving;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Into a snapshot and out of one. Nobody writes and nothing is uploaded while a state is captured.</summary>
public sealed partial class FileContent
{
    /// <summary>Until it is attached: what it would send goes into an upload of its own, while the parts sent before are in another one.</summary>
    private volatile bool _isImported;

    /// <summary>
    /// What the bucket does not have. Parts that have gone up are named and not carried, unless the bytes may be wanted before the file is an object:
    /// by who has read such a part before, or, since nobody tells, by the kernel, or by a task that runs on here and may change what those parts become. A part
    /// of which older bytes may still arrive there counts as one that has not gone up.
    /// </summary>
    internal ContentState? Capture(bool carriesAll)
    {
        lock (_lock)
        {
            var isDirty = _changes != _published;
            if (_target is not { } target || (!isDirty && _readers + _writers == 0))
            {
                return null;
            }

            carriesAll |= _wasReadBack || _pinnedBytes > 0;
            var (ranges, isAway) = RangesLocked(carriesAll);
            UploadState? upload = null;
            if (_session is { } session && isDirty)
            {
                var parts = session.Sent.Where(s => IsSentForGood(s.Key)).Select(s => s.Value.Part).OrderBy(p => p.Number).ToList();
                if (!carriesAll || isAway)
                {
                    session.Seal(parts.Select(p => p.Number));
                }

                upload = new UploadState
                {
                    Key = session.Ticket.Key,
                    UploadId = session.Ticket.UploadId,
                    WriteId = session.Ticket.WriteId,
                    Parts = [.. parts.Select(p => new PartState(p.Number, p.ETag.Value, p.Size, p.ChecksumCrc32C, IsCarried(p.Number, ranges)))],
                };
            }

            return new ContentState
            {
                Bucket = target.Bucket,
                Key = target.Key,
                Size = _size,
                BaseKey = _base?.Key,
                BaseETag = _base?.ETag.Value,
                BaseSize = _base?.Size ?? 0,
                BaseLimit = Math.Min(_baseLimit, _size),
                ExpectedETag = _expected?.Value,
                IsDirty = isDirty,
                IsOpen = _readers + _writers > 0,
                Upload = upload,
                Ranges = ranges,
            };
        }
    }

    /// <summary>After <see cref="Capture"/>: the snapshot stands, or came to nothing and holds no part.</summary>
    internal void EndCapture(bool isDropped)
    {
        lock (_lock)
        {
            _session?.EndCapture(isDropped);
        }
    }

    /// <summary>Reads a range of the state.</summary>
    internal void ReadCarried(long offset, Span<byte> destination) => _local!.Read(offset, destination);

    /// <summary>Takes bytes of a range of the state into the cache.</summary>
    internal void AddCarried(long offset, ReadOnlySpan<byte> bytes)
    {
        var (first, end) = (BlockMap.BlockOf(offset), BlockMap.BlocksOf(offset + bytes.Length));
        long absent;
        lock (_lock)
        {
            absent = Enumerable.Range(0, (int)(end - first)).Count(i => !_blocks.IsPresent(first + i));
        }

        // Not waited for: the limit of this machine may be lower than that of the one before, and nothing can be sent yet to make room.
        _store.Space.TakePastLimit(absent * BlockMap.BlockBytes);
        using (_fill.Take())
        {
            Local().Write(offset, bytes);
            lock (_lock)
            {
                for (var block = first; block < end; block++)
                {
                    _blocks.SetPresent(block);
                    _blocks.SetDirty(block);
                }
            }
        }
    }

    /// <summary>A content as a state describes it, before its bytes have come.</summary>
    internal static FileContent Import(ContentStore store, ContentTarget target, ContentState state)
    {
        var version = state.BaseETag is { } etag ? new ObjectVersion(state.Bucket, state.BaseKey ?? state.Key, new ETag(etag), state.BaseSize) : null;
        var content = new FileContent(store, target, version, state.ExpectedETag is { } expected ? new ETag(expected) : null)
        {
            _size = state.Size,
            _baseLimit = state.BaseLimit,
            _changes = state.IsDirty ? 1 : 0,
            _isImported = true,
        };
        return content;
    }

    /// <summary>
    /// With the carried bytes in place: goes on with the upload, or, where a later life of the same task has completed it, rests on what it became.
    /// </summary>
    /// <exception cref="MountStateException">What the state refers to is gone.</exception>
    internal async Task AttachAsync(ContentState state, CancellationToken cancellationToken)
    {
        await AttachToBucketAsync(state, cancellationToken).ConfigureAwait(false);
        _isImported = false;
    }

    private async Task AttachToBucketAsync(ContentState state, CancellationToken cancellationToken)
    {
        var client = _store.Client(state.Bucket);
        var found = await client.HeadAsync(state.Key, cancellationToken).ConfigureAwait(false);
        if (!state.IsDirty)
        {
            if (found?.ETag != _base?.ETag)
            {
                throw new MountStateException($"s3://{state.Bucket}/{state.Key}, which the task has open, was replaced or removed since the snapshot");
            }

            return;
        }

        if (found is not null && found.ETag.Value != state.ExpectedETag && _store.IsOwn(found))
        {
            // Written by a life of this task that went on from the same snapshot, or an earlier one, and was lost.
            _expected = found.ETag;
        }

        if (state.Upload is { } upload)
        {
            await AttachUploadAsync(client, state, upload, found, cancellationToken).ConfigureAwait(false);
        }

        if (NeededBase() is { } version)
        {
            var theirs = version.Key == state.Key ? found : await client.HeadAsync(version.Key, cancellationToken).ConfigureAwait(false);
            if (theirs?.ETag != version.ETag)
            {
                throw new MountStateException($"s3://{version.Bucket}/{version.Key}, of which a file of the snapshot has bytes, was replaced or removed since");
            }
        }
    }

    private async Task AttachUploadAsync(IBucketClient client, ContentState state, UploadState upload, BucketObject? found, CancellationToken cancellationToken)
    {
        var there = await client.ListPartsAsync(upload.Key, upload.UploadId, cancellationToken).ConfigureAwait(false);
        var missing = upload.Parts.Where(p => !IsHere(p)).ToList();
        if (there is null)
        {
            if (missing.Count > 0)
            {
                Adopt(state, upload, missing, found);
            }

            return;
        }

        var session = new UploadSession(new UploadTicket(upload.Key, upload.UploadId, upload.WriteId), state.Bucket);
        var listed = there.ToDictionary(p => p.Number);
        foreach (var part in upload.Parts)
        {
            if (listed.TryGetValue(part.Number, out var known) && known.ETag.Value.Trim('"') == part.ETag.Trim('"') && known.Size == part.Size)
            {
                session.Sent[part.Number] = (new UploadedPart(part.Number, new ETag(part.ETag), part.Size, part.ChecksumCrc32C), 0);
            }
            else if (!IsHere(part))
            {
                throw Lost(state);
            }
        }

        lock (_lock)
        {
            // The state may be taken over once more: then it must find these parts as they are.
            session.Seal(missing.Select(p => p.Number));
            session.EndCapture(isDropped: false);
            _session = session;
            missing.ForEach(p => MarkPartLocked(p.Number, isPresent: false));
        }
    }

    /// <summary>The upload was completed: its object has the parts that are not here. Everything else is here, or is zeros.</summary>
    private void Adopt(ContentState state, UploadState upload, List<PartState> missing, BucketObject? found)
    {
        if (found is null || found.WriteId != upload.WriteId || state.BaseLimit > 0)
        {
            throw Lost(state);
        }

        using (_fill.Take())
        {
            lock (_lock)
            {
                _base = new ObjectVersion(state.Bucket, state.Key, found.ETag, found.Size);
                _baseLimit = missing.Max(p => PartGrid.Offset(p.Number) + p.Size);
                var theirs = missing.Select(p => p.Number).ToHashSet();
                for (var part = 1; part <= PartGrid.Count(_baseLimit); part++)
                {
                    if (!theirs.Contains(part))
                    {
                        Local();
                        MarkPartLocked(part, isPresent: true);
                    }
                }
            }
        }
    }

    private static MountStateException Lost(ContentState state) => new(
        $"s3://{state.Bucket}/{state.Key}: the unfinished upload that the snapshot goes on with is gone from the bucket");

    private void MarkPartLocked(int part, bool isPresent)
    {
        var (first, end) = BlocksOfPart(part);
        for (var block = first; block < end; block++)
        {
            if (isPresent && _blocks.SetPresent(block))
            {
                _store.Space.Release(-BlockMap.BlockBytes);
            }

            _blocks.SetDirty(block);
        }
    }

    /// <summary>The version that the content rests on, if any of its bytes are to be had from there alone.</summary>
    private ObjectVersion? NeededBase()
    {
        lock (_lock)
        {
            for (long block = 0; block < BlockMap.BlocksOf(_baseLimit); block++)
            {
                if (!_blocks.IsPresent(block) && !_blocks.IsDirty(block))
                {
                    return _base;
                }
            }

            return null;
        }
    }

    /// <summary>
    /// Whether nothing of a part is to be had from its upload alone. Where nothing tells, what the cache lacks is, also where the version that the
    /// file rests on has bytes of that place: they may have been written over.
    /// </summary>
    private bool IsHere(PartState part)
    {
        lock (_lock)
        {
            var (first, end) = part.IsCarried ? (0, 0) : BlocksOfPart(part.Number);
            for (var block = first; block < end; block++)
            {
                if (!_blocks.IsPresent(block))
                {
                    return false;
                }
            }

            return true;
        }
    }

    /// <summary>Whether what was written in a part is all in the ranges. The lock is held.</summary>
    private bool IsCarried(int part, List<RangeState> ranges)
    {
        var (block, end) = BlocksOfPart(part);
        for (var next = 0; block < end; block++)
        {
            var offset = block * BlockMap.BlockBytes;
            while (next < ranges.Count && ranges[next].Offset + ranges[next].Count <= offset)
            {
                next++;
            }

            if (_blocks.IsDirty(block) && (next == ranges.Count || ranges[next].Offset > offset))
            {
                return false;
            }
        }

        return true;
    }

    private (List<RangeState> Ranges, bool IsAway) RangesLocked(bool carriesAll)
    {
        List<RangeState> ranges = [];
        var isAway = false;
        var end = Math.Min(_blocks.Limit, BlockMap.BlocksOf(_size));
        for (long block = 0; block < end; block++)
        {
            var first = block;
            while (block < end && _blocks.IsDirty(block) && _blocks.IsPresent(block)
                && (carriesAll || !IsSentForGood(PartGrid.Number(block * BlockMap.BlockBytes))))
            {
                block++;
            }

            if (block > first)
            {
                var offset = first * BlockMap.BlockBytes;
                ranges.Add(new RangeState(offset, Math.Min(block * BlockMap.BlockBytes, _size) - offset));
            }

            isAway |= block < end && _blocks.IsAway(block);
        }

        return (ranges, isAway);
    }
}
