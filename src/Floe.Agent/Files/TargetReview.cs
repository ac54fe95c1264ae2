using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// Compares the target as it is now with its baseline and the snapshot's list, all in path order: what is in neither is an
/// extra and goes; what the baseline has, the list has not, and is no longer as it was, cannot be undone.
/// </summary>
internal sealed class TargetReview(ScopeTree scope, FileBaseline baseline, FileList list)
{
    public const int MaxNamed = 3;

    /// <exception cref="FileStateException">The target cannot be brought to the snapshot's state, because files of its image were changed.</exception>
    public void Check(CancellationToken cancellationToken)
    {
        var beyondRepair = new List<string>();
        long count = 0;
        Merge(
            static (_, _) => { },
            path =>
            {
                cancellationToken.ThrowIfCancellationRequested();
                count++;
                if (beyondRepair.Count < MaxNamed)
                {
                    beyondRepair.Add(KernelPath.Display(path));
                }
            },
            static (_, _, _) => { });
        if (count > 0)
        {
            throw new FileStateException(
                $"{count} files that the snapshot has unchanged were changed or removed here since, which cannot be undone ({string.Join(", ", beyondRepair)}): restore on a fresh machine");
        }
    }

    /// <returns>How many were removed.</returns>
    public long RemoveExtras()
    {
        long removed = 0;
        var directories = new Stack<(byte[] Path, FileSignature Signature, bool Changed)>();
        Merge(
            (path, walker) =>
            {
                LeaveUntilAbove(path);
                if (TreeRemoval.RemoveAllBut(walker.Directory, walker.Name, path, scope.Find(path), out _))
                {
                    removed++;
                    if (directories.TryPop(out var parent))
                    {
                        var isParent = parent.Path.AsSpan().SequenceEqual(KernelPath.Parent(path));
                        directories.Push(parent with { Changed = parent.Changed || isParent });
                    }
                }
            },
            static _ => { },
            (path, now, before) =>
            {
                LeaveUntilAbove(path);
                var same = now.IsSameDirectory(before)
                    && now.ModifiedSeconds == before.ModifiedSeconds && now.ModifiedNanoseconds == before.ModifiedNanoseconds;
                directories.Push((path.ToArray(), before, !same));
            });
        while (directories.Count > 0)
        {
            Leave();
        }

        return removed;

        void LeaveUntilAbove(ReadOnlySpan<byte> path)
        {
            while (directories.Count > 0 && !KernelPath.IsAtOrBelow(path, directories.Peek().Path))
            {
                Leave();
            }
        }

        void Leave()
        {
            var (path, signature, changed) = directories.Pop();
            if (changed)
            {
                RestoreDirectory(path, signature);
            }
        }
    }

    /// <summary>The first few files of the baseline that changed after an instant and are not the snapshot's to put back. Where others write too nothing is named.</summary>
    public IReadOnlyList<string> ChangedSince(DateTimeOffset instant)
    {
        var changed = new List<string>();
        using var before = baseline.OpenReader();
        using var records = list.Records().GetEnumerator();
        var hasRecord = records.MoveNext();
        byte[]? settled = null;
        while (changed.Count < MaxNamed && before.MoveNext())
        {
            for (; hasRecord && KernelPath.Compare(records.Current.Path, before.Path) <= 0; hasRecord = records.MoveNext())
            {
                settled = records.Current.Kind == FileRecordKind.Directory ? settled : records.Current.Path;
            }

            if (!before.Signature.IsDirectory && before.Signature.ChangedAfter(instant) && !IsBelow(before.Path, settled) && !scope.IsPublic(before.Path))
            {
                changed.Add(KernelPath.Display(before.Path));
            }
        }

        return changed;
    }

    private delegate void Extra(ReadOnlySpan<byte> path, TreeWalker walker);

    private delegate void BeyondRepair(ReadOnlySpan<byte> path);

    private delegate void KeptDirectory(ReadOnlySpan<byte> path, FileSignature now, FileSignature before);

    private void Merge(Extra extra, BeyondRepair beyondRepair, KeptDirectory keptDirectory)
    {
        using var walker = new TreeWalker(scope) { TolerateUnreadable = true, PassesOverTooLong = true };
        using var before = baseline.OpenReader();
        using var records = list.Records().GetEnumerator();
        var hasNow = walker.MoveNext();
        var hasBefore = before.MoveNext();
        var hasRecord = records.MoveNext();
        byte[]? settled = null;
        while (hasNow || hasBefore)
        {
            var order = !hasNow ? 1 : !hasBefore ? -1 : KernelPath.Compare(walker.Path, before.Path);
            var path = (order <= 0 ? walker.Path : before.Path).ToArray();
            var isListed = false;
            while (hasRecord && KernelPath.Compare(records.Current.Path, path) <= 0)
            {
                // Below a path that will be removed or is no directory nothing matters: applying the record clears it.
                var record = records.Current;
                settled = record.Kind != FileRecordKind.Directory && !IsBelow(record.Path, settled) ? record.Path : settled;
                isListed |= record.Path.AsSpan().SequenceEqual(path);
                hasRecord = records.MoveNext();
            }

            var skipBelow = IsBelow(path, settled);
            if (!isListed && !skipBelow && !scope.IsShared(path) && !((order != 0 || before.IsAbsent) && scope.IsAgentFolder(path)))
            {
                var isAbsent = order < 0 || (order == 0 && before.IsAbsent);
                if (isAbsent)
                {
                    extra(path, walker);
                    skipBelow = true;
                }
                else if (order > 0)
                {
                    if (!before.IsAbsent && scope.Contains(path, out _, out _))
                    {
                        beyondRepair(path);
                        settled = path;
                    }
                }
                else
                {
                    var now = new FileSignature(walker.Stat);
                    if (now.IsDirectory && before.Signature.IsDirectory)
                    {
                        keptDirectory(path, now, before.Signature);
                    }
                    else if (now != before.Signature)
                    {
                        beyondRepair(path);
                        settled = path;
                    }
                }
            }

            hasBefore = order >= 0 ? before.MoveNext() : hasBefore;
            hasNow = order <= 0 ? walker.MoveNext(skipBelow) : hasNow;
        }
    }

    private static bool IsBelow(ReadOnlySpan<byte> path, byte[]? directory) => directory is not null && KernelPath.IsAtOrBelow(path, directory);

    private static void RestoreDirectory(byte[] path, in FileSignature before)
    {
        var directory = DirectoryPath.Open(path, create: false);
        try
        {
            NativeName.Check(NativeName.ChangeOwner(directory, NativeName.Self, before.Uid, before.Gid), "set the owner of", path);
            NativeName.Check(NativeName.ChangeMode(directory, NativeName.Self, before.Mode & 0xFFF), "set the mode of", path);
            InodeMetadata.RestoreModified(directory, new FileTime(before.ModifiedSeconds, before.ModifiedNanoseconds), path);
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }
}
