using Floe.Linux;

namespace Floe.Agent.Launch;

/// <summary>Where the mounts of a user have their caches when nobody says otherwise: one place for all, so that each finds what a dead one left.</summary>
public static class CachePlace
{
    private const UnixFileMode OthersWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    /// <summary>A folder in /tmp, made if it is not there. It stays: another mount may be about to use it.</summary>
    /// <exception cref="FloeException">Somebody else has made one of that name, and would have the cache in hand.</exception>
    public static string Make()
    {
        var user = Interop.geteuid();
        var folder = Path.Combine(Path.GetTempPath(), $"floe-cache-{user}");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return OwnerOf(folder) == user && (File.GetUnixFileMode(folder) & OthersWrite) == 0
            ? folder
            : throw new FloeException(ExitCodes.Usage, $"{folder} is another user's, or others may write there; name a folder for the cache (--cache-folder, --mount-cache)");
    }

    /// <summary>Null: it is no folder, but a link to one.</summary>
    private static unsafe uint? OwnerOf(string folder)
    {
        using var opened = Interop.openat(Interop.AT_FDCWD, folder, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
        Interop.StatxBuffer stat;
        // SAFETY: the call fills the buffer only.
        return !opened.IsInvalid && Interop.statx(opened, "", Interop.AT_EMPTY_PATH, Interop.STATX_BASIC_STATS, &stat) == 0 ? stat.stx_uid : null;
    }
}
