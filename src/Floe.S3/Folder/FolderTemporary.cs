using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>
/// An object that is still being written, under a random name in the store's own folder. Locked while its writer lives, so that
/// <see cref="RemoveLeftovers"/> can tell the files of dead writers. Disposing removes the name.
/// </summary>
internal sealed class FolderTemporary : IDisposable
{
    /// <summary>Pieces between which a call moves on.</summary>
    private const int MaxWriteBytes = 4 << 20;

    private readonly StoreUrl _store;
    private readonly SafeFileHandle _directory;

    private FolderTemporary(StoreUrl store, SafeFileHandle directory, string name, SafeFileHandle file)
    {
        _store = store;
        _directory = directory;
        Name = name;
        File = file;
    }

    public string Name { get; }

    public SafeFileHandle File { get; }

    public long Length { get; private set; }

    public static FolderTemporary Create(StoreUrl store, SafeFileHandle directory)
    {
        var name = RandomNumberGenerator.GetHexString(24, lowercase: true);
        var file = Interop.openat(directory, name, Interop.O_RDWR | Interop.O_CREAT | Interop.O_EXCL | Interop.O_CLOEXEC, 0b110_000_000);
        if (file.IsInvalid)
        {
            throw FolderErrors.Last(store, "making a temporary file");
        }

        var temporary = new FolderTemporary(store, directory, name, file);
        if (Interop.flock(file, Interop.LOCK_EX | Interop.LOCK_NB) != 0)
        {
            var error = FolderErrors.Last(store, "locking a temporary file");
            temporary.Dispose();
            throw error;
        }

        return temporary;
    }

    public unsafe void Append(ReadOnlySpan<byte> content, FolderCall call)
    {
        fixed (byte* start = content)
        {
            var descriptor = (int)File.DangerousGetHandle();
            for (var done = 0; done < content.Length;)
            {
                call.MovesOn();
                // SAFETY: the span is pinned and done + count stays within it.
                var count = Interop.pwrite(descriptor, start + done, (nuint)Math.Min(content.Length - done, MaxWriteBytes), Length);
                if (count < 0)
                {
                    var errno = Marshal.GetLastPInvokeError();
                    if (errno == Errno.EINTR)
                    {
                        continue;
                    }

                    throw FolderErrors.From(_store, "writing", errno);
                }

                done += (int)count;
                Length += count;
            }
        }

        GC.KeepAlive(this);
    }

    public void SetModified(long nanoseconds)
    {
        if (!FolderFile.TrySetModified(File, nanoseconds))
        {
            throw FolderErrors.Last(_store, "setting a file's time");
        }
    }

    /// <summary>Content and time reach the disk before the name does.</summary>
    public void Sync()
    {
        if (Interop.fsync(File) != 0)
        {
            throw FolderErrors.Last(_store, "syncing a file");
        }
    }

    public void Dispose()
    {
        if (!File.IsClosed)
        {
            // The name is gone already where a rename published it.
            _ = Interop.unlinkat(_directory, Name, 0);
            File.Dispose();
        }
    }

    /// <summary>Removes what writers that died have left: files that nobody holds locked and that are an hour old.</summary>
    public static void RemoveLeftovers(SafeFileHandle directory, string path, DateTimeOffset now)
    {
        foreach (var name in Directory.EnumerateFiles(path).Select(p => Path.GetFileName(p)))
        {
            if (FolderFile.TryStat(directory, name, out _) is not { } file || file.LastModified > now - TimeSpan.FromHours(1))
            {
                continue;
            }

            using var handle = Interop.openat(
                directory, name, Interop.O_RDWR | Interop.O_NONBLOCK | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
            if (!handle.IsInvalid && Interop.flock(handle, Interop.LOCK_EX | Interop.LOCK_NB) == 0)
            {
                _ = Interop.unlinkat(directory, name, 0);
            }
        }
    }
}
