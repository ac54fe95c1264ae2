using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>The sparse local file that holds a content's blocks at their own offsets. Removed with <see cref="Dispose"/> unless it is to be kept.</summary>
internal sealed class LocalFile : IDisposable
{
    private SafeFileHandle? _handle;

    private LocalFile(string path, SafeFileHandle handle) => (Path, _handle) = (path, handle);

    public string Path { get; }

    public SafeFileHandle Handle => _handle ?? throw new ObjectDisposedException(Path);

    public static LocalFile Create(string path)
    {
        try
        {
            return new LocalFile(path, File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ContentErrors.Map(e as IOException ?? new IOException(e.Message, e), path);
        }
    }

    /// <summary>Behind the end there are zeros.</summary>
    public void Read(long offset, Span<byte> destination)
    {
        try
        {
            while (destination.Length > 0)
            {
                var count = RandomAccess.Read(Handle, destination, offset);
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
        try
        {
            RandomAccess.Write(Handle, source, offset);
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, Path);
        }
    }

    /// <summary>Zeros in place of the range, without space on the disk.</summary>
    public void Punch(long offset, long count)
    {
        if (count > 0 && Interop.fallocate(Handle, Interop.FALLOC_FL_PUNCH_HOLE | Interop.FALLOC_FL_KEEP_SIZE, offset, count) != 0)
        {
            throw ContentErrors.Map(LinuxException.Last("fallocate"), Path);
        }
    }

    public void SetLength(long bytes)
    {
        try
        {
            RandomAccess.SetLength(Handle, bytes);
        }
        catch (IOException e)
        {
            throw ContentErrors.Map(e, Path);
        }
    }

    public void Dispose()
    {
        if (_handle is { } handle)
        {
            _handle = null;
            handle.Dispose();
            File.Delete(Path);
        }
    }

    /// <summary>Closes the file but leaves it on the disk.</summary>
    public void Keep()
    {
        _handle?.Dispose();
        _handle = null;
    }
}
