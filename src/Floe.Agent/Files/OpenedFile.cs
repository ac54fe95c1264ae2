using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>A regular file opened for reading its content, shared by the segments that it is cut into; closed with the last of them.</summary>
internal sealed unsafe class OpenedFile
{
    private readonly int _descriptor;
    private readonly FileSignature _signature;
    private readonly bool _isShared;
    private int _users;

    private OpenedFile(int descriptor, byte[] path, in Interop.StatxBuffer stat, int users, bool isShared)
    {
        _descriptor = descriptor;
        Path = path;
        _signature = new FileSignature(stat);
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
        var now = file.Stat();
        if (now.stx_ino == stat.stx_ino && (now.stx_mode & Interop.S_IFMT) == Interop.S_IFREG)
        {
            return file;
        }

        _ = Interop.close(descriptor);
        throw new FileStateException($"{KernelPath.Display(path)} was replaced while it was being captured: something outside the frozen task writes there")
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

                throw KernelPath.Failure("read the changed file", Path, errno);
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

    /// <summary>Whether the file was written since it was found.</summary>
    public bool HasChanged() => new FileSignature(Stat()) != _signature;

    public void Release()
    {
        if (Interlocked.Decrement(ref _users) == 0)
        {
            _ = Interop.close(_descriptor);
        }
    }

    private Interop.StatxBuffer Stat()
    {
        Interop.StatxBuffer stat;
        // SAFETY: an empty zero-terminated path and a local buffer.
        fixed (byte* empty = "\0"u8)
        {
            if (Interop.statx(_descriptor, empty, Interop.AT_EMPTY_PATH, Interop.STATX_BASIC_STATS, &stat) != 0)
            {
                throw KernelPath.Failure("look at", Path, Marshal.GetLastPInvokeError());
            }
        }

        return stat;
    }
}
