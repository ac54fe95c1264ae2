using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>
/// The local files of one store, in its own folder. There may be more of them than a process may have open: those that were not used lately are closed
/// while nobody uses them, and opened again for who does.
/// </summary>
internal sealed class LocalFiles
{
    private const int MostOpen = 1024;
    private const int EOPNOTSUPP = 95;

    private readonly OwnFolder _folder;
    private readonly int _maxOpen;

    private readonly Lock _lock = new();
    private readonly Lazy<bool> _tellsMappedWrites;

    /// <summary>Those that were opened, in the order of a clock that passes over what was used since it came by.</summary>
    private readonly Queue<LocalFile> _open = new();

    public LocalFiles(OwnFolder folder, int maxOpen)
    {
        (_folder, _maxOpen) = (folder, maxOpen);
        _tellsMappedWrites = new Lazy<bool>(TriesMappedWrite);
    }

    /// <summary>
    /// Whether a write through a mapping moves a file's modification time (<see cref="LocalFile.TryMark"/>): ext4, XFS and Btrfs do it as they let a mapped page
    /// be written (page_mkwrite), tmpfs does not. It is tried once, with a page that was read before, as others' are.
    /// </summary>
    public bool TellsMappedWrites => _tellsMappedWrites.Value;

    /// <summary>Half of the descriptors that this process may have: the other half is for connections and everything else.</summary>
    public static int MaxOpen => Interop.getrlimit(Interop.RLIMIT_NOFILE, out var limit) == 0 ? (int)Math.Clamp(limit.Current / 2, 16, MostOpen) : MostOpen;

    /// <exception cref="ContentException">The disk has no room for another file, or is not there.</exception>
    public LocalFile Create()
    {
        var path = _folder.NewPath();
        var file = new LocalFile(this, path, Open(path, Interop.O_CREAT | Interop.O_EXCL));
        NoteOpened(file);
        return file;
    }

    /// <summary>Those in a folder, which is given up where parts of a file cannot be given back: there a full cache would make no room.</summary>
    /// <exception cref="ContentException">They cannot (NFS before 4.2, vfat).</exception>
    public static LocalFiles In(OwnFolder folder, int maxOpen)
    {
        var files = new LocalFiles(folder, maxOpen);
        try
        {
            using var file = files.Create();
            file.Punch(0, BlockMap.BlockBytes);
        }
        catch (ContentException e) when (e.InnerException is LinuxException { Errno: EOPNOTSUPP or Errno.ENOSYS })
        {
            folder.Dispose();
            throw new ContentException(
                ContentErrorKind.LocalDisk,
                $"the file system of {folder.CacheFolder} cannot give back parts of a file, as a cache has to; name a folder on ext4, XFS, Btrfs or tmpfs by --cache-folder (floe run: --mount-cache)",
                e);
        }
        catch (ContentException)
        {
            // A disk that is full may have room later.
        }

        return files;
    }

    /// <summary>A file without a name, for as long as it is open. Null: the disk has none to give.</summary>
    public SafeFileHandle? TryOpenUnnamed()
    {
        var path = _folder.NewPath();
        try
        {
            var file = Open(path, Interop.O_CREAT | Interop.O_EXCL);
            Remove(path);
            return file;
        }
        catch (ContentException)
        {
            return null;
        }
    }

    /// <summary>
    /// Whether a mapping here counts as a use of the file (<see cref="LocalFile.IsOursAlone"/>) when the descriptor that it was made with is closed. Not on
    /// overlayfs, which maps another file, below its own: who maps a file is not seen, and what /proc names as mapped is not what was opened.
    /// </summary>
    public bool SeesMappings()
    {
        try
        {
            using var file = Create();
            return file.IsOursAlone() && IsSeenMapped(file) && file.IsOursAlone();
        }
        catch (Exception e) when (e is ContentException or IOException or UnauthorizedAccessException)
        {
            // Or nothing can be mapped at all.
            return false;
        }

        bool IsSeenMapped(LocalFile file)
        {
            MemoryMappedViewAccessor view;
            using (var mapped = MemoryMappedFile.CreateFromFile(Open(file.Path), null, Environment.SystemPageSize, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false))
            {
                view = mapped.CreateViewAccessor(0, Environment.SystemPageSize, MemoryMappedFileAccess.Read);
            }

            using (view)
            {
                return !file.IsOursAlone();
            }
        }
    }

    private bool TriesMappedWrite()
    {
        try
        {
            using var file = Create();
            using var mapped = MemoryMappedFile.CreateFromFile(Open(file.Path), null, Environment.SystemPageSize, MemoryMappedFileAccess.ReadWrite, HandleInheritability.None, leaveOpen: false);
            using var view = mapped.CreateViewAccessor(0, Environment.SystemPageSize, MemoryMappedFileAccess.ReadWrite);
            var before = view.ReadByte(0);
            var isMarked = file.TryMark() && file.IsMarked();
            view.Write(0, (byte)(before + 1));
            return isMarked && !file.IsMarked();
        }
        catch (Exception e) when (e is ContentException or IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <exception cref="ContentException">Somebody else removed it, or the system has no descriptor left.</exception>
    internal SafeFileHandle Open(string path, int flags = 0)
    {
        const uint OwnerOnly = 0x180; // 0600
        for (var hasTried = false; ; hasTried = true)
        {
            var handle = Interop.openat(_folder.Handle, Path.GetFileName(path), Interop.O_RDWR | Interop.O_NOFOLLOW | Interop.O_CLOEXEC | flags, OwnerOnly);
            if (!handle.IsInvalid)
            {
                return handle;
            }

            var errno = Marshal.GetLastPInvokeError();
            if (errno is not (Errno.EMFILE or Errno.ENFILE) || hasTried)
            {
                throw ContentErrors.Map(new LinuxException("open", errno), path);
            }

            Trim(0);
        }
    }

    /// <summary>After the end of the folder there is nothing left to remove, or it is left to who comes next.</summary>
    internal void Remove(string path)
    {
        if (!_folder.Handle.IsClosed)
        {
            _ = Interop.unlinkat(_folder.Handle, Path.GetFileName(path), 0);
        }
    }

    internal void NoteOpened(LocalFile file)
    {
        lock (_lock)
        {
            _open.Enqueue(file);
        }

        Trim(_maxOpen);
    }

    private void Trim(int most)
    {
        lock (_lock)
        {
            for (var left = 2 * _open.Count; _open.Count > most && left > 0; left--)
            {
                var file = _open.Dequeue();
                if (!file.TryClose())
                {
                    _open.Enqueue(file);
                }
            }
        }
    }
}
