using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Gives an inode the owner, mode, extended attributes and times of its record, in the order in which one does not undo the other.</summary>
internal static class InodeMetadata
{
    /// <param name="name">Zero-terminated, in <paramref name="directory"/>; must not be a symbolic link unless the record is one.</param>
    public static void Apply(int directory, ReadOnlySpan<byte> name, FileRecord record)
    {
        // A change of owner clears set-id bits and capabilities; a change of mode rewrites an ACL; both touch only the change time.
        NativeName.Check(NativeName.ChangeOwner(directory, name, record.Uid, record.Gid), $"give {record.Uid}:{record.Gid} the file", record.Path);
        if (record.Kind != FileRecordKind.SymbolicLink)
        {
            NativeName.Check(NativeName.ChangeMode(directory, name, record.Mode), "set the mode of", record.Path);
        }

        ExtendedAttributes.Write(directory, name, record.Attributes, record.Path);
        NativeName.Check(NativeName.SetTimes(directory, name, record.Accessed, record.Modified), "set the times of", record.Path);
    }

    /// <summary>What a directory has, as <see cref="Apply"/> would give it.</summary>
    public static FileRecord OfDirectory(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        NativeName.Check(NativeName.Stat(parent, name, out var stat), "look at", path);
        return new FileRecord
        {
            Kind = FileRecordKind.Directory,
            Path = path.ToArray(),
            Mode = (uint)stat.stx_mode & 0xFFF,
            Uid = stat.stx_uid,
            Gid = stat.stx_gid,
            Modified = new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec),
            Accessed = new FileTime(stat.stx_atime.tv_sec, stat.stx_atime.tv_nsec),
            Attributes = ExtendedAttributes.Read(parent, name, path),
        };
    }

    /// <summary>Puts a directory's modification time back after names in it changed; the access time stays as it is.</summary>
    public static void RestoreModified(int directory, FileTime modified, ReadOnlySpan<byte> path) =>
        NativeName.Check(
            NativeName.SetTimes(directory, NativeName.Self, new FileTime(0, (uint)Interop.UTIME_OMIT), modified), "set the times of", path);
}
