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

    /// <summary>The first few files that were left and may be the task's.</summary>
    public IReadOnlyList<string> Unclear => _unclear;

    /// <summary>Whether what is at the record's path stays as it is.</summary>
    public bool Have(FileRecord record, int parent)
    {
        if (options.Taken is not { } taken || record is { Claim: FileClaim.Held } or { Kind: FileRecordKind.Socket } || !scope.IsShared(record.Path)
            || NativeName.Stat(parent, NativeName.Terminated(KernelPath.Name(record.Path)), out var stat) != 0)
        {
            return false;
        }

        var now = new FileSignature(stat);
        if (record.HasMetadata && IsUntouched(record, now))
        {
            Learn(record, parent);
            return true;
        }

        if (!now.ChangedAfter(taken) && !(record.HasMetadata && IsLater(now, record.Modified)))
        {
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

        return true;
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
