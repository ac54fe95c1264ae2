namespace Floe.FileSystem.Tests.Model;

/// <summary>Operations on paths, each answered by an errno (0: done), and the content of a whole tree as text to compare.</summary>
internal interface ITree
{
    /// <summary>Opens or makes a file and keeps it open under a number of the caller's.</summary>
    Task<int> OpenAsync(int slot, string path, uint flags, uint mode);

    Task<int> CloseAsync(int slot);

    Task<int> WriteAsync(int slot, long offset, byte[] data);

    Task<int> TruncateAsync(int slot, long size);

    /// <summary>What the open file holds, as far as it can be read; and its link count.</summary>
    Task<string> ReadAsync(int slot);

    Task<int> MakeFolderAsync(string path);

    Task<int> RemoveFolderAsync(string path);

    Task<int> UnlinkAsync(string path);

    Task<int> RenameAsync(string from, string to);

    Task<int> LinkAsync(string path, string target);

    Task<int> ChangeModeAsync(string path, uint mode);

    Task<int> ChangeOwnerAsync(string path, uint uid, uint gid);

    /// <summary>Sets both times, in seconds and nanoseconds since 1970.</summary>
    Task<int> SetTimesAsync(string path, long seconds, uint nanos);

    /// <summary>Of the name, without opening it.</summary>
    Task<int> TruncateAsync(string path, long size);

    /// <summary>Mode, owner, group and modification time of a name that is there; a time that nobody set is "now".</summary>
    Task<string> AttributesAsync(string path);

    /// <summary>Every name below the root with type, length and a hash of the content, or a link's target; sorted.</summary>
    /// <param name="withAttributes">And as <see cref="AttributesAsync"/> tells them.</param>
    Task<string> DescribeAsync(bool withAttributes);
}
