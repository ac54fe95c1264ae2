using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>
/// One store's folder in a cache folder that many processes may share, on one machine or, over a network, on several: with a name of its own, and
/// locked while its store lives, so that who comes later can tell the folders of the dead and removes them. Only those of the same running kernel:
/// another machine's locks may not be seen here, and where a folder cannot be locked at all (NFS) none is removed.
/// </summary>
internal sealed class OwnFolder : IDisposable
{
    /// <summary>What these folders are called, on any machine; a # stands for a hexadecimal digit.</summary>
    public const string Names = "mount-########-################";

    private const int IdDigits = 16;
    private const string KeptExtension = ".kept";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private static readonly string s_prefix = $"mount-{File.ReadAllText("/proc/sys/kernel/random/boot_id")[..8]}-";

    private readonly string _path;
    private readonly SafeFileHandle _lock;
    private long _files;

    private OwnFolder(string path, SafeFileHandle held) => (_path, _lock) = (path, held);

    /// <summary>Makes the cache folder where it is not there, removes what dead processes left in it, and makes a folder of one's own.</summary>
    /// <exception cref="IOException">It cannot be made.</exception>
    public static OwnFolder Make(string cacheFolder)
    {
        while (true)
        {
            MakeCacheFolder(cacheFolder);
            RemoveLeftovers(cacheFolder);
            var path = Path.Combine(cacheFolder, s_prefix + RandomNumberGenerator.GetHexString(IdDigits, lowercase: true));
            Directory.CreateDirectory(path, OwnerOnly);
            // Between its making and its locking it is as the dead's are: whoever takes it for one removes it, and another is made.
            var held = Open(path);
            if (!held.IsInvalid && TryLock(held, otherwise: true) && Directory.Exists(path))
            {
                return new OwnFolder(path, held);
            }

            var errno = Marshal.GetLastPInvokeError();
            held.Dispose();
            if (held.IsInvalid && errno != Errno.ENOENT)
            {
                throw new LinuxException($"opening {path}", errno);
            }
        }
    }

    public static void MakeCacheFolder(string path) => Directory.CreateDirectory(path, OwnerOnly);

    public string CacheFolder => Path.GetDirectoryName(_path)!;

    /// <summary>The folder itself: it can be reached by this whatever is mounted over its path.</summary>
    public SafeFileHandle Handle => _lock;

    /// <summary>For one more file. Its name is like no other's in the cache folder, so that it can be moved anywhere in it.</summary>
    public string NewPath() => Path.Combine(_path, $"{_path[^IdDigits..]}-{Interlocked.Increment(ref _files):x}.blocks");

    /// <summary>
    /// For a file that outlives its store and cannot be moved elsewhere: marked by its name where it lies, which takes neither room nor a right that
    /// its making did not. Whoever comes next leaves it, with the folder. Gives its path, which is the old one where not even that can be done.
    /// </summary>
    public static string Keep(string path)
    {
        try
        {
            var kept = Path.ChangeExtension(path, KeptExtension);
            File.Move(path, kept);
            return kept;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return path;
        }
    }

    /// <summary>With nothing left in it, it goes.</summary>
    public void Dispose()
    {
        if (!_lock.IsClosed)
        {
            try
            {
                Directory.Delete(_path);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Left to who comes next.
            }

            _lock.Dispose();
        }
    }

    private static void RemoveLeftovers(string cacheFolder)
    {
        foreach (var path in Directory.EnumerateDirectories(cacheFolder, s_prefix + new string('?', IdDigits)))
        {
            using var held = Open(path);
            if (!held.IsInvalid && TryLock(held, otherwise: false))
            {
                try
                {
                    Remove(path);
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    // Somebody else removes it at this moment, or has a right to it that this process lacks.
                }
            }
        }
    }

    private static void Remove(string folder)
    {
        if (!Directory.EnumerateFiles(folder, "*" + KeptExtension).Any())
        {
            Directory.Delete(folder, recursive: true);
            return;
        }

        foreach (var file in Directory.EnumerateFiles(folder).Where(f => !f.EndsWith(KeptExtension, StringComparison.Ordinal)))
        {
            File.Delete(file);
        }
    }

    private static SafeFileHandle Open(string path) =>
        Interop.openat(Interop.AT_FDCWD, path, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);

    /// <param name="otherwise">What is to be answered where folders have no locks.</param>
    private static bool TryLock(SafeFileHandle folder, bool otherwise) =>
        Interop.flock(folder, Interop.LOCK_EX | Interop.LOCK_NB) == 0 || (Marshal.GetLastPInvokeError() != Errno.EAGAIN && otherwise);
}
