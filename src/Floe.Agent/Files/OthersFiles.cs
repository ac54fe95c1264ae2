using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>What is to be done with a file that is at a record's path.</summary>
internal enum TargetFile
{
    /// <summary>It goes, if there is one, and the snapshot's takes its place.</summary>
    GivesWay,

    /// <summary>It stays: it is the snapshot's.</summary>
    IsSame,

    /// <summary>It stays: it is newer, and not the task's.</summary>
    IsTheirs,
}

/// <summary>
/// Where other programs and machines write too: which of the target's files are left to them. A snapshot holds all that changed there since the
/// task started, others' files among it, and they have gone on since. What is newer than the snapshot is theirs: the task itself stood
/// still, and ended with it, or, if it went on, the snapshot knows its files by what it wrote.
/// </summary>
internal sealed class OthersFiles(ScopeTree scope, PutBackOptions options)
{
    private readonly List<string> _unclear = [];

    private readonly List<string> _replaced = [];
    private readonly List<byte[]> _found = [];

    // Few: of files with several names.
    private readonly HashSet<(uint Major, uint Minor, ulong Inode)> _touched = [];

    /// <summary>The first few files that were left and may be the task's.</summary>
    public IReadOnlyList<string> Unclear => _unclear;

    /// <summary>The first few files of others that gave way, in a folder of this machine alone, to files of the same names that the task wrote elsewhere.</summary>
    public IReadOnlyList<string> Replaced => _replaced;

    /// <summary>Whether anything is left to others; if not, all of the target is brought to the snapshot's state.</summary>
    public bool Stay => options.Taken is not null;

    /// <summary>What the snapshot holds and was left as it is, in the order of the records.</summary>
    public IReadOnlyCollection<byte[]> Found => _found;

    /// <summary>Whether what is at the record's path stays as it is.</summary>
    /// <param name="record">Of another name of a file: the one that brings it, with that path.</param>
    public TargetFile Have(FileRecord record, int parent)
    {
        if (options.Taken is null || record is { Claim: FileClaim.Held } or { Kind: FileRecordKind.Socket } || !scope.IsShared(record.Path)
            || NativeName.Stat(parent, NativeName.Terminated(KernelPath.Name(record.Path)), out var stat) != 0)
        {
            return TargetFile.GivesWay;
        }

        if (record.HasMetadata && IsUntouched(record, new FileSignature(stat)))
        {
            if (MayHideChanges(record, parent))
            {
                return TargetFile.GivesWay;
            }

            Learn(record, parent);
            _found.Add(record.Path);
            return TargetFile.IsSame;
        }

        return IsNewer(record, stat) && AreTheirs(record) ? TargetFile.IsTheirs : TargetFile.GivesWay;
    }

    private bool IsNewer(FileRecord record, in Interop.StatxBuffer stat) =>
        IsChangedSince(stat) || (record.HasMetadata && IsLater(new FileSignature(stat), record.Modified));

    /// <summary>Whether something else than this put-back changed a file since the snapshot.</summary>
    public bool IsChangedSince(in Interop.StatxBuffer stat) =>
        options.Taken is { } taken && (options.Baseline?.AsFound(stat) ?? new FileSignature(stat)).ChangedAfter(taken) && !_touched.Contains((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino));

    /// <summary>To be told before a name is taken away: the kernel stamps the file, and its other names have that change time too.</summary>
    public void TakesAway(in Interop.StatxBuffer stat)
    {
        if (stat.stx_nlink > 1 && (stat.stx_mode & Interop.S_IFMT) != Interop.S_IFDIR)
        {
            _touched.Add((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino));
        }
    }

    /// <summary>Whether a file stays that was changed since: all do but those of the task, where it may have gone on itself, or cannot have brought them here.</summary>
    private bool AreTheirs(FileRecord record)
    {
        if (record.Claim == FileClaim.Written && options.IsOtherMachine && scope.IsPublic(record.Path))
        {
            // Nobody can have gone on with the task's file here: this one only has its name.
            if (!options.MayHaveGoneOn && _replaced.Count < TargetReview.MaxNamed)
            {
                _replaced.Add(KernelPath.Display(record.Path));
            }

            return false;
        }

        if (options.MayHaveGoneOn && record.Kind != FileRecordKind.Directory)
        {
            if (record.Claim == FileClaim.Written)
            {
                return false;
            }

            if (_unclear.Count < TargetReview.MaxNamed && !scope.IsPublic(record.Path))
            {
                _unclear.Add(KernelPath.Display(record.Path));
            }
        }

        _found.Add(record.Path);
        return true;
    }

    /// <summary>A folder with newer files of others stays, though the snapshot removed it or has a file in its place.</summary>
    public void LeaveFolder(FileRecord record)
    {
        if (options.MayHaveGoneOn && _unclear.Count < TargetReview.MaxNamed && !scope.IsPublic(record.Path))
        {
            _unclear.Add(KernelPath.Display(record.Path));
        }

        _found.Add(record.Path);
    }

    /// <summary>
    /// Whether a file stays whose times alone say too little, because what is written through a mapping moves them late, or not at all: one that the task has open,
    /// and any in memory (tmpfs). It does where it is as it was, byte for byte: for programs that compare inode numbers (SQLite writes to no database that has another one).
    /// One in memory that is not, and that the task has not open, was changed since, as if its times said so.
    /// </summary>
    /// <param name="staged">The file as the snapshot has it.</param>
    public TargetFile HaveSame(FileRecord record, int parent, int stagedParent, ReadOnlySpan<byte> staged)
    {
        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        if (options.Taken is null || record is not { Kind: FileRecordKind.Regular, HasMetadata: true } || !scope.IsShared(record.Path)
            || NativeName.Stat(parent, name, out var stat) != 0 || !IsUntouched(record, new FileSignature(stat))
            || (record.Claim != FileClaim.Held && !MayHideChanges(record, parent)))
        {
            return TargetFile.GivesWay;
        }

        if (!FileComparison.AreSame(parent, name, stagedParent, staged))
        {
            // No other machine's programs write to this one's memory: the task itself wrote the file, here, before it went on elsewhere.
            var isOwnOlder = record.Claim == FileClaim.Written && options.IsOtherMachine;
            return record.Claim != FileClaim.Held && !isOwnOlder && AreTheirs(record) ? TargetFile.IsTheirs : TargetFile.GivesWay;
        }

        Learn(record, parent);
        _found.Add(record.Path);
        return TargetFile.IsSame;
    }

    /// <summary>Whether what is at another name of a file stays: it is that file, or one of others that is newer.</summary>
    /// <param name="record">The one that brings the file, with the path of this name.</param>
    /// <param name="filePlace">A name of the file, zero-terminated, in <paramref name="fileParent"/>.</param>
    public bool HaveLink(FileRecord record, int parent, int fileParent, ReadOnlySpan<byte> filePlace)
    {
        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        if (options.Taken is null || !scope.IsShared(record.Path) || NativeName.Stat(parent, name, out var now) != 0)
        {
            return false;
        }

        if (NativeName.Stat(fileParent, filePlace, out var file) == 0
            && (now.stx_ino, now.stx_dev_major, now.stx_dev_minor) == (file.stx_ino, file.stx_dev_major, file.stx_dev_minor))
        {
            _found.Add(record.Path);
            return true;
        }

        if (record.Claim == FileClaim.Held || !record.HasMetadata)
        {
            return false;
        }

        // As it was, but another file: the link takes its place, and nothing is lost.
        return IsUntouched(record, new FileSignature(now))
            ? HaveSame(record, parent, fileParent, filePlace) == TargetFile.IsTheirs
            : IsNewer(record, now) && AreTheirs(record);
    }

    /// <summary>A file of the task is one here too, for the snapshots to come.</summary>
    public void Learn(FileRecord record, int parent)
    {
        if (record.Claim != FileClaim.None)
        {
            options.Written?.Add(parent, NativeName.Terminated(KernelPath.Name(record.Path)));
        }
    }

    /// <summary>The very file, still there: another program may have it open.</summary>
    private static bool IsUntouched(FileRecord record, in FileSignature now) =>
        (now.Mode & Interop.S_IFMT) == TypeOf(record.Kind) && (now.Mode & 0xFFF) == record.Mode && now.Uid == record.Uid && now.Gid == record.Gid
        && now.ModifiedSeconds == record.Modified.Seconds && now.ModifiedNanoseconds == record.Modified.Nanoseconds
        && (record.Kind != FileRecordKind.Regular || now.ByteCount == (ulong)record.ByteCount);

    /// <summary>Whether bytes may have been written that the file's times do not tell of: tmpfs knows nothing of what goes through a mapping.</summary>
    private static bool MayHideChanges(FileRecord record, int parent) =>
        record is { Kind: FileRecordKind.Regular, ByteCount: > 0 } && NativeName.FileSystem(parent) is Interop.TMPFS_MAGIC or Interop.RAMFS_MAGIC;

    private static bool IsLater(in FileSignature now, FileTime time) =>
        now.ModifiedSeconds > time.Seconds || (now.ModifiedSeconds == time.Seconds && now.ModifiedNanoseconds > time.Nanoseconds);

    private static uint TypeOf(FileRecordKind kind) => kind switch
    {
        FileRecordKind.Regular => Interop.S_IFREG,
        FileRecordKind.Directory => Interop.S_IFDIR,
        FileRecordKind.SymbolicLink => Interop.S_IFLNK,
        FileRecordKind.Fifo => Interop.S_IFIFO,
        FileRecordKind.CharacterDevice => Interop.S_IFCHR,
        _ => Interop.S_IFBLK,
    };
}
