using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

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

    // Few: names with a second one.
    private readonly HashSet<string> _leftLinked = [];

    /// <summary>The first few files that were left and may be the task's.</summary>
    public IReadOnlyList<string> Unclear => _unclear;

    /// <summary>The first few files of others that gave way, in a folder of this machine alone, to files of the same names that the task wrote elsewhere.</summary>
    public IReadOnlyList<string> Replaced => _replaced;

    /// <summary>What the snapshot holds and was left as it is, in the order of the records.</summary>
    public IReadOnlyCollection<byte[]> Found => _found;

    /// <summary>Whether what is at the record's path stays as it is.</summary>
    public bool Have(FileRecord record, int parent)
    {
        if (options.Taken is not { } taken || record is { Claim: FileClaim.Held } or { Kind: FileRecordKind.Socket or FileRecordKind.HardLink } || !scope.IsShared(record.Path)
            || NativeName.Stat(parent, NativeName.Terminated(KernelPath.Name(record.Path)), out var stat) != 0)
        {
            return false;
        }

        var now = new FileSignature(stat);
        if (record.HasMetadata && IsUntouched(record, now))
        {
            if (MayHideChanges(record, parent))
            {
                return false;
            }

            Learn(record, parent);
            Left(record, stat);
            return true;
        }

        return (now.ChangedAfter(taken) || (record.HasMetadata && IsLater(now, record.Modified))) && AreTheirs(record, stat);
    }

    /// <summary>Whether a file stays that was changed since: all do but those of the task, where it may have gone on itself, or cannot have brought them here.</summary>
    private bool AreTheirs(FileRecord record, in Interop.StatxBuffer stat)
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

        Left(record, stat);
        return true;
    }

    /// <summary>
    /// Whether a file stays whose times alone say too little, because what is written through a mapping moves them late, or not at all: one that the task has open,
    /// and any in memory (tmpfs). It does where it is as it was, byte for byte: for programs that compare inode numbers (SQLite writes to no database that has another one).
    /// One in memory that is not, and that the task has not open, was changed since, as if its times said so.
    /// </summary>
    /// <param name="staged">The file as the snapshot has it.</param>
    public bool HaveSame(FileRecord record, int parent, int stagedParent, ReadOnlySpan<byte> staged)
    {
        var name = NativeName.Terminated(KernelPath.Name(record.Path));
        if (options.Taken is null || record is not { Kind: FileRecordKind.Regular, HasMetadata: true } || !scope.IsShared(record.Path)
            || NativeName.Stat(parent, name, out var stat) != 0 || !IsUntouched(record, new FileSignature(stat))
            || (record.Claim != FileClaim.Held && !MayHideChanges(record, parent)))
        {
            return false;
        }

        if (!FileComparison.AreSame(parent, name, stagedParent, staged))
        {
            // No other machine's programs write to this one's memory: the task itself wrote the file, here, before it went on elsewhere.
            var isOwnOlder = record.Claim == FileClaim.Written && options.IsOtherMachine;
            return record.Claim != FileClaim.Held && !isOwnOlder && AreTheirs(record, stat);
        }

        Learn(record, parent);
        Left(record, stat);
        return true;
    }

    /// <summary>Whether another name of a file stays as it is: it is one already, or the file was left to others.</summary>
    public bool HaveLink(FileRecord link, int parent, int targetParent)
    {
        var have = options.Taken is not null && scope.IsShared(link.Path)
            && NativeName.Stat(parent, NativeName.Terminated(KernelPath.Name(link.Path)), out var now) == 0
            && (_leftLinked.Contains(Encoding.Latin1.GetString(link.Target))
                || (NativeName.Stat(targetParent, NativeName.Terminated(KernelPath.Name(link.Target)), out var target) == 0
                    && (now.stx_ino, now.stx_dev_major, now.stx_dev_minor) == (target.stx_ino, target.stx_dev_major, target.stx_dev_minor)));
        if (have)
        {
            _found.Add(link.Path);
        }

        return have;
    }

    /// <summary>A file of the task is one here too, for the snapshots to come.</summary>
    public void Learn(FileRecord record, int parent)
    {
        if (record.Claim != FileClaim.None)
        {
            options.Written?.Add(parent, NativeName.Terminated(KernelPath.Name(record.Path)));
        }
    }

    private void Left(FileRecord record, in Interop.StatxBuffer stat)
    {
        _found.Add(record.Path);
        if (record.Kind != FileRecordKind.Directory && stat.stx_nlink > 1)
        {
            _leftLinked.Add(Encoding.Latin1.GetString(record.Path));
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
