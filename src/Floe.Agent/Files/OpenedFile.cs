using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>A regular file opened for reading its content, shared by the segments that it is cut into; closed with the last of them.</summary>
internal sealed unsafe class OpenedFile
{
    private readonly int _descriptor;
    private readonly FileSignature _signature;
    private readonly ulong _inode;
    private readonly bool _isShared;
    private int _users;

    private OpenedFile(int descriptor, byte[] path, in Interop.StatxBuffer stat, int users, bool isShared)
    {
        _descriptor = descriptor;
        Path = path;
        _signature = new FileSignature(stat);
        _inode = stat.stx_ino;
        _users = users;
        _isShared = isShared;
        MayHaveHoles = stat.stx_blocks * 512 < stat.stx_size;
    }

    public byte[] Path { get; }

    /// <summary>Fewer blocks than its length needs: holes, or a compressing file system.</summary>
    public bool MayHaveHoles { get; }

    /// <param name="name">Zero-terminated.</param>
    /// <param name="users">How many times <see cref="Release"/> will be called.</param>
    /// <param name="isShared">Others write where the file is: one that is cut short under our hands is theirs, because the task stands still.</param>
    public static OpenedFile Open(int directory, ReadOnlySpan<byte> name, byte[] path, in Interop.StatxBuffer stat, int users, bool isShared)
    {
        var flags = Interop.O_RDONLY | Interop.O_CLOEXEC | Interop.O_NOFOLLOW | Interop.O_NONBLOCK;
        int descriptor;
        // SAFETY: the name is zero-terminated and pinned for the call.
        fixed (byte* pointer = name)
        {
            // O_NOATIME needs the file's owner or CAP_FOWNER.
            descriptor = Interop.openat(directory, pointer, flags | Interop.O_NOATIME, 0);
            if (descriptor < 0 && Marshal.GetLastPInvokeError() == Errno.EPERM)
            {
                descriptor = Interop.openat(directory, pointer, flags, 0);
            }
        }

        if (descriptor < 0)
        {
            throw KernelPath.Failure("read the changed file", path, Marshal.GetLastPInvokeError());
        }

        var file = new OpenedFile(descriptor, path, stat, users, isShared);
        var errno = file.Stat(out var now);
        if (errno == 0 && now.stx_ino == stat.stx_ino && (now.stx_mode & Interop.S_IFMT) == Interop.S_IFREG)
        {
            return file;
        }

        _ = Interop.close(descriptor);
        throw errno != 0 ? KernelPath.Failure("look at", path, errno) : new FileStateException($"{KernelPath.Display(path)} was replaced while it was being captured: something outside the frozen task writes there")
        {
            // What was found is not there any more.
            ErrorNumber = Errno.ESTALE,
        };
    }

    /// <summary>Reads exactly the span, at an offset.</summary>
    public void ReadExactly(Span<byte> room, long offset)
    {
        while (!room.IsEmpty)
        {
            nint read;
            // SAFETY: the room is pinned for the call and its length is passed.
            fixed (byte* pointer = room)
            {
                read = Interop.pread(_descriptor, pointer, (nuint)room.Length, offset);
            }

            if (read < 0 && Marshal.GetLastPInvokeError() is var errno)
            {
                if (errno == Errno.EINTR)
                {
                    continue;
                }

                if (!IsGone(errno))
                {
                    throw KernelPath.Failure("read the changed file", Path, errno);
                }

                read = 0;
            }

            if (read == 0 && _isShared)
            {
                room.Clear();
                return;
            }

            if (read == 0)
            {
                throw new FileStateException($"{KernelPath.Display(Path)} was cut short while it was being captured: something outside the frozen task writes there");
            }

            room = room[(int)read..];
            offset += read;
        }
    }

    /// <returns>Where the next data at or after the offset starts; <see cref="long.MaxValue"/> when only a hole follows.</returns>
    public long NextData(long offset)
    {
        var found = Interop.lseek(_descriptor, offset, Interop.SEEK_DATA);
        if (found >= 0)
        {
            return found;
        }

        // ENXIO: no data from here on. Anything else: a file system without SEEK_DATA, where all is data.
        return Marshal.GetLastPInvokeError() == Errno.ENXIO ? long.MaxValue : offset;
    }

    /// <returns>Where the hole after the data at the offset starts.</returns>
    public long NextHole(long offset)
    {
        var found = Interop.lseek(_descriptor, offset, Interop.SEEK_HOLE);
        return found > offset ? found : long.MaxValue;
    }

    /// <summary>Whether the file was written since it was found, or removed by another machine.</summary>
    public bool HasChanged()
    {
        var errno = Stat(out var now);
        return errno == 0 ? new FileSignature(now) != _signature : IsGone(errno) ? true : throw KernelPath.Failure("look at", Path, errno);
    }

    /// <summary>
    /// Whether that errno says that another machine removed the file (ESTALE: NFS keeps an open file for its own clients only). A server that lost all its handles
    /// says the same of files that are there, and of the folder: only one whose name leads nowhere, or to another file, is gone.
    /// </summary>
    internal bool IsGone(int errno) =>
        errno == Errno.ESTALE && _isShared
        && NativeName.Stat(Interop.AT_FDCWD, [(byte)'/', .. Path, 0], out var now) is var found
        && (found is Errno.ENOENT or Errno.ENOTDIR || (found == 0 && now.stx_ino != _inode));

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _ = Interop.close(_descriptor);
        }
    }

    /// <returns>errno, 0 for success.</returns>
    private int Stat(out Interop.StatxBuffer stat)
    {
        // SAFETY: an empty zero-terminated path and the caller's buffer, pinned for the call.
        fixed (byte* empty = "\0"u8)
        fixed (Interop.StatxBuffer* buffer = &stat)
        {
            return Interop.statx(_descriptor, empty, Interop.AT_EMPTY_PATH, Interop.STATX_BASIC_STATS, buffer) == 0 ? 0 : Marshal.GetLastPInvokeError();
        }
    }
}
