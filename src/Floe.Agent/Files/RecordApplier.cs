using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Brings the target to what the records say, in list order. New inodes are made in the staging area and moved into place; an existing file is set aside and never written into.</summary>
internal sealed class RecordApplier(ScopeTree scope, StagingArea staging, SetAside aside, OthersFiles others, LinkedFiles linked) : IDisposable
{
    private readonly DirectoryTrail _trail = new(scope, staging);
    private readonly SharedFolder _folders = new(scope, others, aside);

    /// <returns>False where it was passed over: the folder that others had it in is not here.</returns>
    public bool Apply(FileRecord record, long index)
    {
        if (!scope.Contains(record.Path, out _, out var reason))
        {
            throw new FileStateException($"cannot put back {KernelPath.Display(record.Path)}: {reason}");
        }

        var file = record is { HasMetadata: true, Kind: not FileRecordKind.Directory } ? linked.Find(record.Path) : null;
        if (file is not null)
        {
            (file.Record, file.Index, file.Path) = (record, index, null);
        }

        if (record.Kind != FileRecordKind.Deleted && !scope.IsRoot(record.Path) && IsInFolderOfOthers(record))
        {
            return false;
        }

        switch (record.Kind)
        {
            case FileRecordKind.Deleted:
                Delete(record);
                break;
            case FileRecordKind.Directory:
                MakeDirectory(record);
                break;
            case FileRecordKind.Socket:
                Clear(record.Path, _trail.Enter(KernelPath.Parent(record.Path)));
                break;
            case FileRecordKind.HardLink:
                Link(record, linked.Find(record.Target)!);
                break;
            default:
                if (Replace(record, index, record.Path) && file is not null)
                {
                    file.Path = record.Path;
                }

                break;
        }

        return true;
    }

    public void Finish() => _trail.Finish();

    public void Dispose() => _trail.Dispose();

    /// <summary>
    /// Where others write too, a folder that was there before the task may be missing on another machine, and what others made in it is not
    /// missed; for a file of the task the folder is made.
    /// </summary>
    private bool IsInFolderOfOthers(FileRecord record)
    {
        if (!scope.IsShared(record.Path))
        {
            return false;
        }

        var parent = KernelPath.Parent(record.Path);
        if (_trail.TryEnter(parent) is not (-Errno.ENOENT or -Errno.ENOTDIR or -Errno.ELOOP))
        {
            return false;
        }

        var bringing = record.Kind == FileRecordKind.HardLink ? linked.Find(record.Target)?.Record : record;
        if (bringing is null or { Claim: FileClaim.None })
        {
            return true;
        }

        MakeMissing(parent);
        return false;
    }

    /// <summary>How they were nobody knows: who has the folder that they are in has them too.</summary>
    private void MakeMissing(ReadOnlySpan<byte> path)
    {
        for (var end = 0; end < path.Length;)
        {
            var slash = path[(end + 1)..].IndexOf((byte)'/');
            end = slash < 0 ? path.Length : end + 1 + slash;
            var parent = scope.IsShared(path[..end]) && !scope.IsRoot(path[..end]) ? _trail.Enter(KernelPath.Parent(path[..end])) : -1;
            var name = NativeName.Terminated(KernelPath.Name(path[..end]));
            if (parent < 0 || NativeName.Stat(parent, name, out _) != Errno.ENOENT)
            {
                continue;
            }

            NativeName.Check(NativeName.Stat(parent, NativeName.Self, out var outer), "look at", KernelPath.Parent(path[..end]));
            _trail.AboutToChange();
            NativeName.Check(NativeName.MakeDirectory(parent, name, 0x1ED), "make the directory", path[..end]);
            aside.Made(parent, name, path[..end]);

            // A server that takes root for nobody lets nobody give files away: the folder is there for the task's file all the same.
            var owned = NativeName.ChangeOwner(parent, name, outer.stx_uid, outer.stx_gid);
            NativeName.Check(owned == Errno.EPERM ? 0 : owned, "set the owner of", path[..end]);
        }
    }

    private void Delete(FileRecord record)
    {
        if (scope.IsRoot(record.Path))
        {
            // A root stays: contents may be waiting in it, or it is a mount. It is left empty, unless others have files in it.
            var root = scope.IsShared(record.Path) ? -1 : DirectoryPath.TryOpen(record.Path);
            if (root >= 0)
            {
                _ = Interop.close(root);
                EmptyRoot(record.Path);
            }

            return;
        }

        var parent = _trail.TryEnter(KernelPath.Parent(record.Path));
        if (parent >= 0)
        {
            if (others.Have(record, parent) == TargetFile.GivesWay && !IsFolderOfOthers(record, parent))
            {
                Clear(record.Path, parent);
            }
        }
        else if (parent is not (-Errno.ENOENT or -Errno.ENOTDIR or -Errno.ELOOP))
        {
            throw KernelPath.Failure("remove", record.Path, -parent);
        }
    }

    private void EmptyRoot(ReadOnlySpan<byte> path)
    {
        var directory = _trail.Enter(path);
        _trail.AboutToChange();
        var names = new DirectoryNames();
        names.Read(directory, path);
        for (var i = 0; i < names.Count; i++)
        {
            if (!names[i].SequenceEqual(ScopeTree.StagingName))
            {
                // What is no part of the task stays, with the folders that lead to it.
                _ = _folders.Clear(directory, names.Terminated(i), TreeRemoval.Join(path, names[i]));
            }
        }
    }

    private void MakeDirectory(FileRecord record)
    {
        if (scope.IsRoot(record.Path))
        {
            var there = DirectoryPath.TryOpen(record.Path);
            if (there >= 0 && scope.IsShared(record.Path))
            {
                _ = Interop.close(there);
                return;
            }

            _ = Interop.close(there >= 0 ? there : DirectoryPath.Open(record.Path, create: true));

            // First, so that the staging area knows the root's times from before any change.
            _ = staging.DirectoryFor(record.Path);
            aside.Changes(_trail.Enter(record.Path), NativeName.Self, record.Path);
            _trail.Enter(record);
            return;
        }

        var parent = _trail.Enter(KernelPath.Parent(record.Path));
        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        if (others.Have(record, parent) != TargetFile.GivesWay)
        {
            return;
        }

        var errno = NativeName.Stat(parent, name, out var stat);
        if (errno != 0 || (stat.stx_mode & Interop.S_IFMT) != Interop.S_IFDIR)
        {
            Clear(record.Path, parent);
            _trail.AboutToChange();
            NativeName.Check(NativeName.MakeDirectory(parent, name, 0x1C0), "make the directory", record.Path);
            aside.Made(parent, name, record.Path);
        }
        else
        {
            aside.Changes(parent, name, record.Path);
        }

        _trail.Enter(record);
    }

    private void Link(FileRecord record, LinkedFile file)
    {
        RefuseRoot(record);
        if (!scope.Contains(record.Target, out _, out var reason))
        {
            throw new FileStateException($"cannot link {KernelPath.Display(record.Path)} to {KernelPath.Display(record.Target)}: {reason}");
        }

        if (file is { Path: null, Record: { } bringing })
        {
            // The other names are others' files by now, or in a folder of theirs that is not here.
            file.Path = Replace(bringing with { Path = record.Path }, file.Index, bringing.Path) ? record.Path : null;
            return;
        }

        var parent = _trail.Enter(KernelPath.Parent(record.Path));
        var place = NativeName.Terminated(KernelPath.Name(file.Path));
        var directory = DirectoryPath.Open(KernelPath.Parent(file.Path), create: false);
        try
        {
            var named = (file.Record ?? record) with { Path = record.Path };
            if (others.HaveLink(named, parent, directory, place) || IsFolderOfOthers(named, parent))
            {
                return;
            }

            Clear(record.Path, parent);
            _trail.AboutToChange();
            var name = NativeName.Terminated(KernelPath.Name(record.Path));
            NativeName.Check(NativeName.Link(directory, place, parent, name), $"link to {KernelPath.Display(file.Path)} the name", record.Path);
            aside.Made(parent, name, record.Path);
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }

    /// <param name="stagedFor">The path that the content was fetched for, of another name of the file.</param>
    /// <returns>Whether the snapshot's file is there now; if not, a newer one of others is.</returns>
    private bool Replace(FileRecord record, long index, ReadOnlySpan<byte> stagedFor)
    {
        RefuseRoot(record);
        var parent = _trail.Enter(KernelPath.Parent(record.Path));
        if (others.Have(record, parent) is var have and not TargetFile.GivesWay)
        {
            return have == TargetFile.IsSame;
        }

        if (IsFolderOfOthers(record, parent))
        {
            return false;
        }

        var directory = staging.DirectoryFor(stagedFor);
        var staged = StagingArea.NameOf(index);
        if (record is not { Kind: FileRecordKind.Regular, ByteCount: > 0 })
        {
            NativeName.Check(Create(directory, staged, record), "make", record.Path);
            InodeMetadata.Apply(directory, staged, record);
        }

        have = others.HaveSame(record, parent, directory, staged);
        if (have == TargetFile.IsSame)
        {
            NativeName.Check(NativeName.Unlink(directory, staged, isDirectory: false), "remove the copy of", record.Path);
        }

        if (have != TargetFile.GivesWay)
        {
            return have == TargetFile.IsSame;
        }

        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        Clear(record.Path, parent);
        _trail.AboutToChange();
        NativeName.Check(NativeName.Rename(directory, staged, parent, name), "put into place", record.Path);
        aside.Made(parent, name, record.Path);
        others.Learn(record, parent);
        return true;
    }

    private static int Create(int directory, byte[] name, FileRecord record) => record.Kind switch
    {
        FileRecordKind.Regular => NativeName.MakeNode(directory, name, Interop.S_IFREG | 0x180, 0),
        FileRecordKind.SymbolicLink => NativeName.MakeSymbolicLink(NativeName.Terminated(record.Target), directory, name),
        FileRecordKind.Fifo => NativeName.MakeNode(directory, name, Interop.S_IFIFO | 0x180, 0),
        FileRecordKind.CharacterDevice => NativeName.MakeNode(directory, name, Interop.S_IFCHR | 0x180, Interop.makedev(record.DeviceMajor, record.DeviceMinor)),
        _ => NativeName.MakeNode(directory, name, Interop.S_IFBLK | 0x180, Interop.makedev(record.DeviceMajor, record.DeviceMinor)),
    };

    /// <summary>
    /// Whether the path is a folder that stays, because others have newer files in it or, where the snapshot removed it, what is no part of the task. What else it
    /// had of the snapshot's time is taken away if the snapshot removed it.
    /// </summary>
    private bool IsFolderOfOthers(FileRecord record, int parent)
    {
        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        var isRemoved = record.Kind == FileRecordKind.Deleted;
        var mayStay = (others.Stay && scope.IsShared(record.Path)) || (isRemoved && scope.Find(record.Path) is not null);
        if (!mayStay || record.Claim == FileClaim.Held || NativeName.Stat(parent, name, out var stat) != 0
            || (stat.stx_mode & Interop.S_IFMT) != Interop.S_IFDIR || !_folders.HasOthers(parent, name, record.Path))
        {
            return false;
        }

        if (isRemoved)
        {
            _trail.AboutToChange();
            _folders.Clear(parent, name, record.Path);
        }

        others.LeaveFolder(record);
        return true;
    }

    /// <summary>Removes what is at the path, if anything. The trail must be in its directory.</summary>
    private void Clear(ReadOnlySpan<byte> path, int parent)
    {
        var name = NativeName.Terminated(KernelPath.Name(path));
        if (NativeName.Stat(parent, name, out var stat) == 0)
        {
            others.TakesAway(stat);
            _trail.AboutToChange();
            aside.Take(parent, name, path);
        }
    }

    private void RefuseRoot(FileRecord record)
    {
        if (scope.IsRoot(record.Path))
        {
            throw new FileStateException($"cannot put back {KernelPath.Display(record.Path)}: it is a directory that holds the task's files, but was none in the snapshot");
        }
    }
}
