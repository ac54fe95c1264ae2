using System.Text;
using Floe.Linux;

namespace Floe.Agent.Launch;

/// <summary>
/// Where the task is another user's, what the agent runs and opens as root must lie where that user can put nothing in its place: each folder on the
/// way is root's, and is either writable by no one else or sticky.
/// </summary>
public static class RootOnlyPath
{
    private const uint StickyBit = 0x200;
    private const uint WritableByOthers = 0x12; // 022

    /// <param name="path">Absolute; what is not there yet does not count.</param>
    /// <exception cref="FloeException">It is not so; the message names the folder.</exception>
    public static void Require(string path, string what)
    {
        for (var folder = path; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (WhyNot(folder) is { } reason)
            {
                throw new FloeException(
                    ExitCodes.StoreError, $"the task runs as a user of the image, and {folder} {reason}: that user could replace {what} below it, which root uses; make it root's with mode 755, or run the container as root (USER root, --user root)");
            }
        }
    }

    private static unsafe string? WhyNot(string folder)
    {
        Interop.StatxBuffer stat;
        fixed (byte* name = Encoding.UTF8.GetBytes(folder + '\0'))
        {
            // SAFETY: zero-terminated and pinned for the call, which fills the buffer only.
            if (Interop.statx(Interop.AT_FDCWD, name, 0, Interop.STATX_BASIC_STATS, &stat) != 0)
            {
                return null;
            }
        }

        return stat.stx_uid != 0 ? $"belongs to user {stat.stx_uid}"
            : (stat.stx_mode & WritableByOthers) != 0 && (stat.stx_mode & StickyBit) == 0 ? "is writable by others"
            : null;
    }
}
