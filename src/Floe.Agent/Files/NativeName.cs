using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Calls on a name in an open directory. Names are zero-terminated spans; symbolic links are never followed. They return errno, 0 for success.</summary>
internal static unsafe class NativeName
{
    public static ReadOnlySpan<byte> Self => ".\0"u8;

    public static byte[] Terminated(ReadOnlySpan<byte> name) => [.. name, 0];

    /// <returns>A descriptor, or minus errno.</returns>
    public static int Open(int directory, ReadOnlySpan<byte> name, int flags, uint mode = 0)
    {
        // SAFETY (here and below): names are zero-terminated by contract and pinned for the call.
        fixed (byte* pointer = name)
        {
            var descriptor = Interop.openat(directory, pointer, flags | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, mode);
            return descriptor >= 0 ? descriptor : -Marshal.GetLastPInvokeError();
        }
    }

    public static int Stat(int directory, ReadOnlySpan<byte> name, out Interop.StatxBuffer stat)
    {
        fixed (byte* pointer = name)
        fixed (Interop.StatxBuffer* buffer = &stat)
        {
            return Result(Interop.statx(directory, pointer, Interop.AT_SYMLINK_NOFOLLOW | Interop.AT_NO_AUTOMOUNT, Interop.STATX_BASIC_STATS | Interop.STATX_MNT_ID, buffer));
        }
    }

    /// <summary>The magic number of the file system that an open directory is on; 0 where it does not tell.</summary>
    public static long FileSystem(int directory)
    {
        Interop.StatfsBuffer buffer;
        // SAFETY: a local buffer of the kernel's size.
        return Interop.fstatfs(directory, &buffer) == 0 ? buffer.f_type : 0;
    }

    public static int MakeDirectory(int directory, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* pointer = name)
        {
            return Result(Interop.mkdirat(directory, pointer, mode));
        }
    }

    public static int MakeNode(int directory, ReadOnlySpan<byte> name, uint mode, ulong device)
    {
        fixed (byte* pointer = name)
        {
            return Result(Interop.mknodat(directory, pointer, mode, device));
        }
    }

    public static int MakeSymbolicLink(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* targetPointer = target)
        fixed (byte* pointer = name)
        {
            return Result(Interop.symlinkat(targetPointer, directory, pointer));
        }
    }

    public static int Link(int fromDirectory, ReadOnlySpan<byte> from, int toDirectory, ReadOnlySpan<byte> to)
    {
        fixed (byte* fromPointer = from)
        fixed (byte* toPointer = to)
        {
            return Result(Interop.linkat(fromDirectory, fromPointer, toDirectory, toPointer, 0));
        }
    }

    public static int Rename(int fromDirectory, ReadOnlySpan<byte> from, int toDirectory, ReadOnlySpan<byte> to)
    {
        fixed (byte* fromPointer = from)
        fixed (byte* toPointer = to)
        {
            return Result(Interop.renameat(fromDirectory, fromPointer, toDirectory, toPointer));
        }
    }

    public static int Unlink(int directory, ReadOnlySpan<byte> name, bool isDirectory)
    {
        fixed (byte* pointer = name)
        {
            return Result(Interop.unlinkat(directory, pointer, isDirectory ? Interop.AT_REMOVEDIR : 0));
        }
    }

    public static int ChangeOwner(int directory, ReadOnlySpan<byte> name, uint uid, uint gid)
    {
        fixed (byte* pointer = name)
        {
            return Result(Interop.fchownat(directory, pointer, uid, gid, Interop.AT_SYMLINK_NOFOLLOW));
        }
    }

    /// <summary>Not for symbolic links, which it would follow.</summary>
    public static int ChangeMode(int directory, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* pointer = name)
        {
            return Result(Interop.fchmodat(directory, pointer, mode, 0));
        }
    }

    public static int SetTimes(int directory, ReadOnlySpan<byte> name, FileTime accessed, FileTime modified)
    {
        var times = stackalloc Interop.Timespec[2];
        times[0] = new Interop.Timespec { tv_sec = accessed.Seconds, tv_nsec = accessed.Nanoseconds };
        times[1] = new Interop.Timespec { tv_sec = modified.Seconds, tv_nsec = modified.Nanoseconds };
        fixed (byte* pointer = name)
        {
            return Result(Interop.utimensat(directory, pointer, times, Interop.AT_SYMLINK_NOFOLLOW));
        }
    }

    public static void Check(int errno, string what, ReadOnlySpan<byte> path)
    {
        if (errno != 0)
        {
            throw KernelPath.Failure(what, path, errno);
        }
    }

    private static int Result(int returned) => returned == 0 ? 0 : Marshal.GetLastPInvokeError();
}
