using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

public static unsafe partial class Interop
{
    public const uint FSOPEN_CLOEXEC = 1;
    public const uint FSMOUNT_CLOEXEC = 1;
    public const uint FSCONFIG_CMD_CREATE = 6;
    public const uint FSCONFIG_CMD_RECONFIGURE = 7;
    public const uint FSPICK_CLOEXEC = 1;
    public const uint FSPICK_SYMLINK_NOFOLLOW = 2;

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle fsopen(string type, uint flags);

    /// <summary>The file system that is mounted on <paramref name="path"/>, to be reconfigured.</summary>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle fspick(int folder, string path, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fsconfig(SafeFileHandle context, uint command, void* key, void* value, int extra);

    /// <summary>A mount that stands in no folder: it is reached through this descriptor alone and ends with it.</summary>
    [LibraryImport("libc", SetLastError = true)]
    public static partial SafeFileHandle fsmount(SafeFileHandle context, uint flags, uint attributes);
}
