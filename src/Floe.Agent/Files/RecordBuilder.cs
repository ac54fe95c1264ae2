using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Makes the record of a changed path and sends its content to be read. Memory: one path for each inode with several names.</summary>
internal sealed unsafe class RecordBuilder(ScopeTree scope, ContentScheduler scheduler, HeldFiles held, WrittenFiles? written, FileCaptureProgress progress)
{
    private readonly Dictionary<(uint Major, uint Minor, ulong Inode), byte[]> _linked = [];

    /// <returns>Null for a file that is not the task's.</returns>
    public FileRecord? Build(TreeWalker walker)
    {
        ref readonly var stat = ref walker.Stat;
        var path = walker.Path.ToArray();
        var type = stat.stx_mode & Interop.S_IFMT;
        if (type == Interop.S_IFSOCK)
        {
            // Another program's must not be removed for it.
            return scope.IsShared(path) && !held.IsBound(path) ? null : new FileRecord { Kind = FileRecordKind.Socket, Path = path };
        }

        var claim = type == Interop.S_IFREG && scope.IsShared(path) ? ClaimOf(walker) : FileClaim.None;
        if (claim == FileClaim.None && IsOthers(walker, type))
        {
            return null;
        }

        var inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
        var isLinked = type != Interop.S_IFDIR && stat.stx_nlink > 1;
        if (isLinked && _linked.TryGetValue(inode, out var first))
        {
            return new FileRecord { Kind = FileRecordKind.HardLink, Path = path, Target = first };
        }

        var attributes = ExtendedAttributes.TryRead(walker.Directory, walker.Name, path);
        var isTooLong = type == Interop.S_IFREG && stat.stx_size > ContentSegment.MaxFileBytes;
        if ((attributes is null || isTooLong) && claim == FileClaim.None && scope.IsPublic(path) && !held.IsOpen(stat))
        {
            // Anybody can make it there, and would keep every task of the machine from having a snapshot.
            return null;
        }

        var record = new FileRecord
        {
            Kind = type switch
            {
                Interop.S_IFREG => FileRecordKind.Regular,
                Interop.S_IFDIR => FileRecordKind.Directory,
                Interop.S_IFLNK => FileRecordKind.SymbolicLink,
                Interop.S_IFIFO => FileRecordKind.Fifo,
                Interop.S_IFCHR => FileRecordKind.CharacterDevice,
                Interop.S_IFBLK => FileRecordKind.BlockDevice,
                _ => throw new FileStateException($"{KernelPath.Display(path)} is of a type that is not known (mode {Convert.ToString(stat.stx_mode, 8)})"),
            },
            Path = path,
            Mode = (uint)stat.stx_mode & 0xFFF,
            Uid = stat.stx_uid,
            Gid = stat.stx_gid,
            Modified = new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            Accessed = new FileTime(stat.stx_atime.tv_sec, stat.stx_atime.tv_nsec),
            Attributes = attributes ?? throw ExtendedAttributes.TooMany(path),
            Claim = claim,
            DeviceMajor = stat.stx_rdev_major,
            DeviceMinor = stat.stx_rdev_minor,
        };
        record = record.Kind switch
        {
            FileRecordKind.SymbolicLink => record with { Target = ReadLink(walker, path) },
            FileRecordKind.Regular when stat.stx_size > 0 => WithContent(record, walker, path),
            _ => record,
        };
        if (isLinked)
        {
            // Only now: a record that could not be made must be nobody's target.
            _linked.Add(inode, path);
        }

        return record;
    }

    private FileClaim ClaimOf(TreeWalker walker) =>
        held.IsOpenForWriting(walker.Stat) ? FileClaim.Held : written?.Contains(walker.Directory, walker.Name) == true ? FileClaim.Written : FileClaim.None;

    /// <summary>In everybody's folders, where the kernel tells what the task wrote, the rest is other programs' (it can be a lot), unless the task has it
    /// open. Empty files go along: a lock file is made without opening it for writing.</summary>
    private bool IsOthers(TreeWalker walker, uint type) =>
        written is not null && type == Interop.S_IFREG && walker.Stat.stx_size > 0 && scope.IsPublic(walker.Path) && !held.IsOpen(walker.Stat)
        && scope.Contains(walker.Path, out var root, out _) && written.Knows(root);

    private FileRecord WithContent(FileRecord record, TreeWalker walker, byte[] path)
    {
        if (walker.Stat.stx_size > ContentSegment.MaxFileBytes)
        {
            throw new FileStateException($"{KernelPath.Display(path)} is {walker.Stat.stx_size >> 50} PiB long, holes included, and a snapshot holds files of up to {ContentSegment.MaxFileBytes >> 50}: make it shorter, or leave it out with --exclude");
        }

        var byteCount = (long)walker.Stat.stx_size;
        progress.Found(byteCount);
        var (stream, offset) = scheduler.Add(byteCount, users => OpenedFile.Open(walker.Directory, walker.Name, path, walker.Stat, users, scope.IsShared(path)));
        return record with { ByteCount = byteCount, ContentStream = stream, ContentOffset = offset };
    }

    private static byte[] ReadLink(TreeWalker walker, byte[] path)
    {
        // PATH_MAX bounds the target of a symbolic link.
        var target = new byte[4096];
        nint length;
        // SAFETY: the name is zero-terminated, the room's length is passed, both pinned for the call.
        fixed (byte* name = walker.Name)
        fixed (byte* room = target)
        {
            length = Interop.readlinkat(walker.Directory, name, room, (nuint)target.Length);
        }

        return length >= 0 ? target[..(int)length] : throw KernelPath.Failure("read the symbolic link", path, Marshal.GetLastPInvokeError());
    }
}
