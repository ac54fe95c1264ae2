using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Merges the walk of the scope with the baseline, both in path order, and writes a record for every difference.</summary>
internal sealed class ChangeScan(ScopeTree scope, FileBaseline baseline, RecordBuilder records, RecordWriter writer, FileCaptureProgress progress) : IDisposable
{
    private readonly TreeWalker _walker = new(scope);
    private readonly BaselineReader _before = baseline.OpenReader();
    private byte[]? _goneDirectory;
    private FileRecord? _last;

    public long RecordCount { get; private set; }

    public long DeletedCount { get; private set; }

    public void Run(CancellationToken cancellationToken)
    {
        var hasNow = _walker.MoveNext();
        var hasBefore = _before.MoveNext();
        while (hasNow || hasBefore)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var order = !hasNow ? 1 : !hasBefore ? -1 : KernelPath.Compare(_walker.Path, _before.Path);
            if (order > 0)
            {
                Gone(_before.Path);
                hasBefore = _before.MoveNext();
                continue;
            }

            Present(known: order == 0);
            hasNow = _walker.MoveNext();
            if (order == 0)
            {
                hasBefore = _before.MoveNext();
            }
        }
    }

    public void Dispose()
    {
        _walker.Dispose();
        _before.Dispose();
    }

    private void Present(bool known)
    {
        progress.Scanned();
        var now = new FileSignature(_walker.Stat);
        var unchanged = known && now == _before.Signature && !_before.IsUncertain;

        // What the agent could not read at the start, and is the same now, the task did not change either.
        _walker.TolerateUnreadable = unchanged;
        if (unchanged)
        {
            return;
        }

        if (known && _before is { IsAbsent: true, IsPutBack: false })
        {
            // Removed by an earlier snapshot and made anew since: nothing of the image's may stay below it.
            Delete(_walker.Path);
        }
        else if (known && !now.IsDirectory)
        {
            // If it was a directory, what was below it needs no telling.
            _goneDirectory = _walker.Path.ToArray();
        }

        try
        {
            if (records.Build(_walker) is { } record)
            {
                Write(record);
            }
        }
        catch (FileStateException e) when (scope.IsShared(_walker.Path) && _walker.IsGone(e.ErrorNumber))
        {
            // Since it was found: another program's doing, because the task stands still. What cannot be read for any other reason may be the task's.
        }
    }

    private void Gone(ReadOnlySpan<byte> path)
    {
        // Below a directory that is gone nothing more needs saying; and what is no longer in scope is not gone. Where everybody
        // removes files, a removal is not known to be the task's, and on the next machine it could hit somebody else's file.
        // A directory with the agent's own files is there, and only has no others any more: each of those is told.
        if (scope.IsAgentFolder(path) || scope.IsPublic(path) || (_goneDirectory is not null && KernelPath.IsAtOrBelow(path, _goneDirectory)) || !scope.Contains(path, out _, out _))
        {
            return;
        }

        _goneDirectory = path.ToArray();
        Delete(path);
    }

    private void Delete(ReadOnlySpan<byte> path)
    {
        Write(new FileRecord { Kind = FileRecordKind.Deleted, Path = path.ToArray() });
        DeletedCount++;
    }

    private void Write(FileRecord record)
    {
        if (!FileList.MayFollow(record, _last))
        {
            throw new FileStateException($"{KernelPath.Display(record.Path)} came twice, or out of order, while the files were listed: a snapshot with that could not be read");
        }

        _last = record;
        FileRecordCodec.Write(writer, record);
        RecordCount++;
    }
}
