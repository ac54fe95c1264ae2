using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Opens a directory from "/" on, component by component, following no symbolic link.</summary>
internal static class DirectoryPath
{
    /// <param name="create">Whether missing directories are made (mode 0755).</param>
    /// <returns>A descriptor that the caller closes.</returns>
    public static int Open(ReadOnlySpan<byte> path, bool create)
    {
        var result = TryOpen(path, create);
        return result >= 0 ? result : throw Failure(path, -result);
    }

    /// <returns>A descriptor that the caller closes, or minus errno.</returns>
    public static int TryOpen(ReadOnlySpan<byte> path, bool create = false)
    {
        var current = NativeName.Open(Interop.AT_FDCWD, "/\0"u8, (path.IsEmpty ? Interop.O_RDONLY : Interop.O_PATH) | Interop.O_DIRECTORY);
        for (var start = 0; start < path.Length && current >= 0;)
        {
            var slash = path[start..].IndexOf((byte)'/');
            var end = slash < 0 ? path.Length : start + slash;
            var name = NativeName.Terminated(path[start..end]);

            // Ancestors need be searchable only.
            var flags = Interop.O_DIRECTORY | (slash < 0 ? Interop.O_RDONLY : Interop.O_PATH);
            var next = NativeName.Open(current, name, flags);
            if (next == -Errno.ENOENT && create && NativeName.MakeDirectory(current, name, 0x1ED) == 0)
            {
                next = NativeName.Open(current, name, flags);
            }

            _ = Interop.close(current);
            current = next;
            start = end + 1;
        }

        return current;
    }

    public static FileStateException Failure(ReadOnlySpan<byte> path, int errno) => errno switch
    {
        Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP => new FileStateException(
            $"{KernelPath.Display(path)} is not a directory here, though the task did not make it: this machine does not start from the image that the task started on"),
        _ => KernelPath.Failure("open the directory", path, errno),
    };
}
