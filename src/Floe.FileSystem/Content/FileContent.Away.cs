namespace Floe.FileSystem.Content;

/// <summary>Blocks that lie only in sent parts of the unfinished upload: nobody can read them there until the object is made.</summary>
public sealed partial class FileContent
{
    private bool _isPublishedEarly;

    /// <summary>
    /// Publishes the file as it is, for the bytes that are nowhere else: others see it before it is complete. Told once for each file.
    /// </summary>
    private async Task PublishAwayAsync(CancellationToken cancellationToken)
    {
        if (!_isPublishedEarly && Target is { } target)
        {
            _isPublishedEarly = true;
            _store.NotePublishedEarly(target);
        }

        await PublishNowAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The same for the space of parts that have gone up and are kept all the same.</summary>
    /// <param name="released">Ends the waiting; the publication goes on, and how it ends is in <see cref="Failure"/>.</param>
    private async Task PublishKeptAsync(CancellationToken released, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(released, cancellationToken);
        var publishing = PublishAwayAsync(_store.Stopping);
        await publishing.WaitAsync(either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!publishing.IsCompleted)
        {
            _ = ObserveAsync(publishing);
            cancellationToken.ThrowIfCancellationRequested();
            return;
        }

        await publishing.ConfigureAwait(false);
    }

    /// <summary>Whether a change of these bytes means sending a part again of which something is no longer here.</summary>
    private bool IsOutOfReach(long offset, long end)
    {
        lock (_lock)
        {
            if (_session is null || end <= offset)
            {
                return false;
            }

            var (first, last) = (PartGrid.Number(offset), PartGrid.Number(end - 1));
            return IsSealBroken(first, last) ? HasAwayIn(1, PartGrid.Count(_size)) : HasAwayIn(first, last) || HasAwayIn(PartGrid.Count(_size), PartGrid.Count(_size));
        }
    }

    private bool IsCutOutOfReach(long size)
    {
        lock (_lock)
        {
            if (_session is null || size == 0 || size == _size)
            {
                return false;
            }

            var part = PartGrid.Number(size - 1);
            return size < _size && IsSealBroken(part, PartGrid.Count(_size)) ? HasAwayIn(1, part)
                : HasAwayIn(part, part) || (size > _size && HasAwayIn(PartGrid.Count(_size), PartGrid.Count(_size)));
        }
    }

    private bool HasAwayIn(int firstPart, int lastPart)
    {
        if (lastPart < 1)
        {
            return false;
        }

        var end = BlockMap.BlocksOf(Math.Min(PartGrid.Offset(lastPart) + PartGrid.Bytes(lastPart), _size));
        for (var block = BlockMap.BlockOf(PartGrid.Offset(Math.Max(firstPart, 1))); block < end; block++)
        {
            if (_blocks.IsAway(block))
            {
                return true;
            }
        }

        return false;
    }

    private ContentException LostUpload() =>
        new(ContentErrorKind.Remote, $"{Target}: its unfinished upload is gone from the bucket, and with it bytes that were nowhere else");

    /// <summary>
    /// For who looks for bytes of a file that could not be published: those that its local file lacks, and where they are. Null: it lacks none.
    /// </summary>
    internal string? DescribeAway()
    {
        lock (_lock)
        {
            var ranges = new List<string>();
            for (var part = 1; part <= PartGrid.Count(_size); part++)
            {
                var first = part;
                while (part <= PartGrid.Count(_size) && HasAwayIn(part, part))
                {
                    part++;
                }

                if (part > first)
                {
                    ranges.Add($"{PartGrid.Offset(first)}-{Math.Min(PartGrid.Offset(part), _size) - 1}");
                }
            }

            return ranges.Count == 0 ? null : _session is { } session
                ? $"of the bytes {string.Join(", ", ranges)} some are only in the unfinished upload {session.Ticket.UploadId} of s3://{session.Bucket}/{session.Ticket.Key}, which is left there"
                : $"of the bytes {string.Join(", ", ranges)} some are lost";
        }
    }
}
