using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>The sparse local file that holds a content's blocks at their own offsets. Removed with <see cref="Dispose"/> unless it is to be kept.</summary>
internal sealed class LocalFile : IDisposable
{
    // A whole second, which every file system keeps.
    private static readonly DateTime s_mark = DateTime.UnixEpoch.AddSeconds(1);

    private readonly LocalFiles _owner;
    private readonly Lock _lock = new();
    private SafeFileHandle? _handle;
    private int _users;
    private bool _wasUsed;
    private bool _isGone;

    internal LocalFile(LocalFiles owner, string path, SafeFileHandle handle) => (_owner, Path, _handle) = (owner, path, handle);

    public string Path { get; }

    /// <summary>Its descriptor, which stays open until the use is disposed of.</summary>
    /// <exception cref="ContentException">It was closed meanwhile and cannot be opened again.</exception>
    public Use Open()
    {
        if (TryUse(null) is { } use)
        {
            return use;
        }

        var opened = _owner.Open(Path);
        use = TryUse(opened)!.Value;
        if (use.Handle == opened)
        {
            _owner.NoteOpened(this);
        }
        else
        {
            opened.Dispose();
        }

        return use;
    }

    /// <summary>Behind the end there are zeros.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        using var file = Open();
        try
        {
            while (destination.Length > 0)
            {
                var count = RandomAccess.Read(file.Handle, destination, offset);
                if (count == 0)
                {
                    destination.Clear();
                    return;
                }

                destination = destination[count..];
                offset += count;
            }
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, Path);
        }
    }

    public void Write(long offset, ReadOnlySpan<byte> source)
    {
        using var file = Open();
        try
        {
            RandomAccess.Write(file.Handle, source, offset);
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, Path);
        }
    }

    /// <summary>Zeros in place of the range, without space on the disk.</summary>
    public void Punch(long offset, long count)
    {
        using var file = Open();
        if (count > 0 && Interop.fallocate(file.Handle, Interop.FALLOC_FL_PUNCH_HOLE | Interop.FALLOC_FL_KEEP_SIZE, offset, count) != 0)
        {
            throw ContentErrors.Map(LinuxException.Last("fallocate"), Path);
        }
    }

    /// <summary>
    /// Whether nobody but this process has the file open or mapped: a lease for writing, given back at once, is had by no one else's leave (fcntl(2)).
    /// False also where that cannot be told.
    /// </summary>
    public bool IsOursAlone()
    {
        using var file = Open();
        var fd = (int)file.Handle.DangerousGetHandle();

        // Who opens it in this moment breaks the lease: the signal for that shall be one that does nothing.
        if (Interop.fcntl(fd, Interop.F_SETSIG, Interop.SIGURG) != 0 || Interop.fcntl(fd, Interop.F_SETLEASE, Interop.F_WRLCK) != 0)
        {
            return false;
        }

        _ = Interop.fcntl(fd, Interop.F_SETLEASE, Interop.F_UNLCK);
        return true;
    }

    /// <summary>Sets the modification time to one that nothing else sets. Whatever writes to the file moves it. False: it cannot be set.</summary>
    public bool TryMark()
    {
        using var file = Open();
        try
        {
            File.SetLastWriteTimeUtc(file.Handle, s_mark);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Whether nothing has been written since. False also where that cannot be told.</summary>
    public bool IsMarked()
    {
        using var file = Open();
        try
        {
            return File.GetLastWriteTimeUtc(file.Handle) == s_mark;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    public long Length()
    {
        using var file = Open();
        return RandomAccess.GetLength(file.Handle);
    }

    public void SetLength(long bytes)
    {
        using var file = Open();
        try
        {
            RandomAccess.SetLength(file.Handle, bytes);
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, Path);
        }
    }

    public void Dispose()
    {
        if (Close())
        {
            _owner.Remove(Path);
        }
    }

    /// <summary>Closes the file but leaves it on the disk.</summary>
    public void Keep() => Close();

    /// <summary>False: it is in use, or was since this was asked last.</summary>
    internal bool TryClose()
    {
        lock (_lock)
        {
            if (_users > 0 || _wasUsed)
            {
                _wasUsed = false;
                return _handle is null;
            }

            _handle?.Dispose();
            _handle = null;
            return true;
        }
    }

    /// <summary>False: it was before.</summary>
    private bool Close()
    {
        lock (_lock)
        {
            if (_isGone)
            {
                return false;
            }

            _isGone = true;
            _handle?.Dispose();
            _handle = null;
            return true;
        }
    }

    /// <summary>Null: it is closed, and there is no newly opened descriptor.</summary>
    private Use? TryUse(SafeFileHandle? opened)
    {
        lock (_lock)
        {
            if (_isGone)
            {
                opened?.Dispose();
                throw new ObjectDisposedException(Path);
            }

            if ((_handle ??= opened) is not { } handle)
            {
                return null;
            }

            _users++;
            _wasUsed = true;
            return new Use(this, handle);
        }
    }

    private void EndUse()
    {
        lock (_lock)
        {
            _users--;
        }
    }

    internal readonly struct Use(LocalFile file, SafeFileHandle handle) : IDisposable
    {
        public SafeFileHandle Handle => handle;

        public void Dispose() => file.EndUse();
    }
}
