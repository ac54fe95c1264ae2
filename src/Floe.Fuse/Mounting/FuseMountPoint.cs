using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse.Mounting;

/// <summary>mount(2) and umount2(2) of a FUSE file system.</summary>
internal static unsafe class FuseMountPoint
{
    private const int ENOTCONN = 107;

    /// <summary>
    /// A folder without symbolic links: mount(2) follows the last one too, and what takes the mount away shall not, wherever the link leads by then. Asks no file
    /// system that is mounted there, so it may be dead. What cannot be resolved is as it was given.
    /// </summary>
    public static string Resolve(string directory)
    {
        using var place = Interop.openat(Interop.AT_FDCWD, directory, Interop.O_PATH | Interop.O_CLOEXEC, 0);
        return !place.IsInvalid && new FileInfo($"/proc/self/fd/{(int)place.DangerousGetHandle()}").LinkTarget is { } path && path.StartsWith('/') ? path : directory;
    }

    /// <exception cref="LinuxException">The kernel refuses; the message says what is needed.</exception>
    public static void Mount(string directory, SafeFileHandle device, FuseServerOptions options)
    {
        if (IsDead(directory))
        {
            // Left behind by a server that was killed.
            Unmount(directory, isLazy: true);
        }

        var text = $"fd={(int)device.DangerousGetHandle()},rootmode=40000,user_id={Interop.geteuid()},group_id={Interop.getegid()},default_permissions,max_read={options.MaxTransferBytes}";
        if (options.AllowOthers)
        {
            text += ",allow_other";
        }

        // SAFETY: zero-terminated and pinned for the call.
        fixed (byte* data = Encoding.UTF8.GetBytes(text + '\0'))
        {
            if (Interop.mount(options.SourceName, directory, "fuse.floe", Interop.MS_NOSUID | Interop.MS_NODEV, data) < 0)
            {
                var errno = Marshal.GetLastPInvokeError();
                throw new LinuxException(
                    errno == Errno.EPERM ? $"mount on {directory} (needs CAP_SYS_ADMIN: root, or a privileged container)" : $"mount on {directory}", errno);
            }
        }
    }

    /// <summary>Errno of the attempt, 0 when it is unmounted. EBUSY: files in it are open.</summary>
    public static int Unmount(string directory, bool isLazy) =>
        Interop.umount2(directory, Interop.UMOUNT_NOFOLLOW | (isLazy ? Interop.MNT_DETACH : 0)) < 0 ? Marshal.GetLastPInvokeError() : 0;

    /// <summary>
    /// Has the kernel forget every name of the mount that nothing holds (an open file, a mapping, a working directory, a descriptor of any kind, a mount
    /// of a part of it): it does so at the start of each reconfiguration, and this one changes nothing. Pages that were written through mappings
    /// are taken in before. False: it is not allowed.
    /// </summary>
    public static bool ForgetUnused(string directory)
    {
        using var context = Interop.fspick(Interop.AT_FDCWD, directory, Interop.FSPICK_CLOEXEC | Interop.FSPICK_SYMLINK_NOFOLLOW);
        return !context.IsInvalid && Interop.fsconfig(context, Interop.FSCONFIG_CMD_RECONFIGURE, null, null, 0) == 0;
    }

    /// <summary>
    /// Lets the kernel read ahead as far as one request reaches; its own default is 128 KiB. The setting is in sysfs, of which containers have a
    /// read-only view or none, so it is reached through a view of its own that nobody else sees. Without effect where that is not allowed.
    /// </summary>
    public static void RaiseReadAhead(string directory, int bytes)
    {
        using var context = Interop.fsopen("sysfs", Interop.FSOPEN_CLOEXEC);
        if (context.IsInvalid || Interop.fsconfig(context, Interop.FSCONFIG_CMD_CREATE, null, null, 0) < 0 || MountTable.DeviceOn(directory) is not { } device)
        {
            return;
        }

        using var sysfs = Interop.fsmount(context, Interop.FSMOUNT_CLOEXEC, 0);
        if (sysfs.IsInvalid)
        {
            return;
        }

        using var setting = Interop.openat(sysfs, $"class/bdi/{device}/read_ahead_kb", Interop.O_WRONLY | Interop.O_CLOEXEC, 0);
        try
        {
            RandomAccess.Write(setting, Encoding.ASCII.GetBytes($"{bytes / 1024}"), 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            // Slower, not wrong.
        }
    }

    /// <summary>The device number of what can be seen at a path: a mount's own as long as it lives. Asks no file system. Null: there is nothing.</summary>
    public static (uint Major, uint Minor)? DeviceAt(string directory)
    {
        Interop.StatxBuffer buffer;
        // SAFETY: zero-terminated and pinned for the call.
        fixed (byte* path = Encoding.UTF8.GetBytes(directory + '\0'))
        {
            return Interop.statx(Interop.AT_FDCWD, path, Interop.AT_STATX_DONT_SYNC, 0, &buffer) == 0 ? (buffer.stx_dev_major, buffer.stx_dev_minor) : null;
        }
    }

    private static bool IsDead(string directory)
    {
        Interop.StatxBuffer buffer;
        fixed (byte* path = Encoding.UTF8.GetBytes(directory + '\0'))
        {
            return Interop.statx(Interop.AT_FDCWD, path, 0, Interop.STATX_BASIC_STATS, &buffer) < 0 && Marshal.GetLastPInvokeError() == ENOTCONN;
        }
    }
}
