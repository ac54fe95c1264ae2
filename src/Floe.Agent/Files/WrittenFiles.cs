using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// Notes which files are closed after writing through the mounts of this mount namespace, which on a plain host are the task's alone:
/// what other programs of the machine, and other machines, write to the same folder goes through mounts of theirs. (fanotify with a
/// mark on a mount; overlay has no file handles, network file systems have them in newer kernels only.) What this program writes itself is not the
/// task's: what it puts back may be another's. For any thread.
/// </summary>
public sealed unsafe class WrittenFiles : IDisposable
{
    private const int BufferBytes = 64 * 1024;
    private const int HeaderBytes = 8;
    private const int MaxHandleBytes = 128;

    /// <summary>Some 8 MiB.</summary>
    private const int MinReview = 128 * 1024;

    private readonly Lock _gate = new();
    private readonly HandleSet _files;
    private readonly List<byte[]> _roots;

    // One of each root, on its file system. Empty where one cannot be opened: then nothing is ever known to be gone.
    private readonly List<int> _directories;
    private readonly int _events;
    private readonly int _wake;
    private readonly byte[] _buffer = new byte[BufferBytes];
    private readonly Thread _reader;
    private volatile bool _isEnding;

    private WrittenFiles(List<byte[]> roots, List<int> directories, int events, int wake, int minReview)
    {
        _files = new HandleSet(minReview);
        _roots = roots;
        _directories = directories;
        _events = events;
        _wake = wake;
        _reader = new Thread(Read) { IsBackground = true, Name = "written files" };
        _reader.Start();
    }

    /// <summary>Watches the mounts of the roots that others write to. To be called in the task's mount namespace, before the task runs.</summary>
    /// <returns>Null when there are no such roots, or the kernel tells of none of them.</returns>
    public static WrittenFiles? TryWatch(FileScope scope) => TryWatch(scope, MinReview);

    internal static WrittenFiles? TryWatch(FileScope scope, int minReview)
    {
        var roots = scope.Resolve().SharedRoots;
        if (roots.Count == 0)
        {
            return null;
        }

        var events = Interop.fanotify_init(Interop.FAN_CLOEXEC | Interop.FAN_NONBLOCK | Interop.FAN_UNLIMITED_QUEUE | Interop.FAN_REPORT_FID, Interop.O_RDONLY);
        if (events < 0)
        {
            return null;
        }

        var marked = new List<byte[]>();
        foreach (var root in roots)
        {
            fixed (byte* path = (byte[])[(byte)'/', .. root, 0])
            {
                if (Interop.fanotify_mark(events, Interop.FAN_MARK_ADD | Interop.FAN_MARK_MOUNT, Interop.FAN_CLOSE_WRITE, Interop.AT_FDCWD, path) == 0)
                {
                    marked.Add(root);
                }
            }
        }

        var wake = marked.Count > 0 ? Interop.eventfd(0, Interop.EFD_CLOEXEC) : -1;
        if (wake < 0)
        {
            _ = Interop.close(events);
            return null;
        }

        return new WrittenFiles(marked, OpenAll(marked), events, wake, minReview);
    }

    /// <summary>How many files it has in mind.</summary>
    internal int Count => _files.Count;

    /// <summary>Whether the kernel tells of this root: what is not known as written there, the task did not write.</summary>
    public bool Knows(ReadOnlySpan<byte> root)
    {
        foreach (var known in _roots)
        {
            if (root.SequenceEqual(known))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether the file was closed after writing by now; <paramref name="name"/> in <paramref name="directory"/>, zero-terminated.</summary>
    public bool Contains(int directory, ReadOnlySpan<byte> name)
    {
        if (!TryHandle(directory, name, out var handle))
        {
            return false;
        }

        lock (_gate)
        {
            Drain();
        }

        return _files.Contains(handle);
    }

    /// <summary>A file that the task wrote on another machine, or in an earlier life here.</summary>
    public void Add(int directory, ReadOnlySpan<byte> name)
    {
        if (TryHandle(directory, name, out var handle))
        {
            _files.Add(handle);
        }
    }

    public void Dispose()
    {
        _isEnding = true;
        ulong one = 1;
        _ = Interop.write(_wake, &one, sizeof(ulong));
        _reader.Join();
        _ = Interop.close(_events);
        _ = Interop.close(_wake);
        CloseAll(_directories);
    }

    private static List<int> OpenAll(List<byte[]> roots)
    {
        var directories = new List<int>();
        foreach (var root in roots)
        {
            var directory = DirectoryPath.TryOpen(root);
            if (directory < 0)
            {
                CloseAll(directories);
                return [];
            }

            directories.Add(directory);
        }

        return directories;
    }

    private static void CloseAll(List<int> descriptors)
    {
        descriptors.ForEach(static descriptor => _ = Interop.close(descriptor));
        descriptors.Clear();
    }

    private void Read()
    {
        var polled = stackalloc Interop.PollFd[2];
        while (true)
        {
            polled[0] = new() { Descriptor = _wake, Events = Interop.POLLIN };
            polled[1] = new() { Descriptor = _events, Events = Interop.POLLIN };
            if (Interop.poll(polled, 2, -1) < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                return;
            }

            if (polled[0].Returned != 0)
            {
                return;
            }

            lock (_gate)
            {
                Drain();
            }

            if (_directories.Count > 0)
            {
                _files.Review(_directories, () => _isEnding);
            }
        }
    }

    private void Drain()
    {
        var own = Environment.ProcessId;
        fixed (byte* buffer = _buffer)
        {
            while (Interop.read(_events, buffer, BufferBytes) is > 0 and var count)
            {
                for (var at = 0; at + sizeof(Interop.FanotifyEvent) <= count;)
                {
                    var entry = (Interop.FanotifyEvent*)(buffer + at);
                    if (entry->Length < sizeof(Interop.FanotifyEvent) || entry->Length > count - at)
                    {
                        break;
                    }

                    if (entry->Pid != own)
                    {
                        Note(new ReadOnlySpan<byte>(buffer + at + entry->MetadataLength, (int)entry->Length - entry->MetadataLength));
                    }

                    at += (int)entry->Length;
                }
            }
        }
    }

    /// <summary>struct fanotify_event_info_fid: u8 type, u8, u16 length, fsid of 8 bytes, struct file_handle.</summary>
    private void Note(ReadOnlySpan<byte> info)
    {
        const int handleAt = 12;
        if (info.Length >= handleAt + HeaderBytes && info[0] == Interop.FAN_EVENT_INFO_TYPE_FID
            && MemoryMarshal.Read<uint>(info[handleAt..]) is var bytes && bytes <= info.Length - handleAt - HeaderBytes)
        {
            _files.Add(info.Slice(handleAt, HeaderBytes + (int)bytes));
        }
    }

    /// <returns>False where there is no such file, or no handles.</returns>
    private static bool TryHandle(int directory, ReadOnlySpan<byte> name, out ReadOnlySpan<byte> handle)
    {
        var room = new byte[HeaderBytes + MaxHandleBytes];
        BinaryPrimitives.WriteInt32LittleEndian(room, MaxHandleBytes);
        handle = default;
        int mount;

        // SAFETY: the name is zero-terminated and pinned; the kernel writes at most the room that the handle names.
        fixed (byte* pointer = name)
        fixed (byte* handlePointer = room)
        {
            if (Interop.name_to_handle_at(directory, pointer, handlePointer, &mount, 0) != 0)
            {
                return false;
            }
        }

        handle = room.AsSpan(0, HeaderBytes + BinaryPrimitives.ReadInt32LittleEndian(room));
        return true;
    }
}
