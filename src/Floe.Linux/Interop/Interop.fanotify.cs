using System.Runtime.InteropServices;

namespace Floe.Linux;

/// <summary>Source: fanotify(7), linux/fanotify.h.</summary>
public static unsafe partial class Interop
{
    public const uint FAN_CLOEXEC = 0x1;
    public const uint FAN_NONBLOCK = 0x2;
    public const uint FAN_UNLIMITED_QUEUE = 0x10;
    public const uint FAN_REPORT_FID = 0x200;
    public const uint FAN_MARK_ADD = 0x1;
    public const uint FAN_MARK_MOUNT = 0x10;
    public const ulong FAN_CLOSE_WRITE = 0x8;
    public const byte FAN_EVENT_INFO_TYPE_FID = 1;

    /// <summary>struct fanotify_event_metadata.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct FanotifyEvent
    {
        public uint Length;
        public byte Version;
        public byte Reserved;
        public ushort MetadataLength;
        public ulong Mask;
        public int Descriptor;
        public int Pid;
    }

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fanotify_init(uint flags, uint eventFlags);

    [LibraryImport("libc", SetLastError = true)]
    public static partial int fanotify_mark(int descriptor, uint flags, ulong mask, int directory, byte* path);

    /// <summary>Needs CAP_DAC_READ_SEARCH. ESTALE: there is no such file any more.</summary>
    /// <param name="mount">Any descriptor on the file system, but none of O_PATH.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int open_by_handle_at(int mount, byte* handle, int flags);

    /// <param name="handle">struct file_handle: u32 room in bytes, i32 type, the bytes.</param>
    [LibraryImport("libc", SetLastError = true)]
    public static partial int name_to_handle_at(int directory, byte* path, byte* handle, int* mountId, int flags);
}
