using System.Text;
using Floe.Agent.Preflight;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Tasks;

/// <summary>
/// CRIU makes a task's pipes anew as root, and its images do not say whose they were. A user's script that opens /dev/stdout by name, where that is
/// the pipe to its <c>tee</c>, would then be refused.
/// </summary>
internal static class RestoredPipes
{
    /// <param name="rootPid">Of a tree that does not run yet.</param>
    /// <exception cref="LinuxException">A pipe cannot be given away.</exception>
    public static void GiveTo(UserIds user, int rootPid)
    {
        foreach (var (pid, _) in ProcessTree.Read("/proc", rootPid, CancellationToken.None))
        {
            foreach (var descriptor in Directory.EnumerateFileSystemEntries($"/proc/{pid}/fd"))
            {
                if (ProcFiles.TryReadLink(descriptor)?.StartsWith("pipe:[", StringComparison.Ordinal) == true)
                {
                    GiveTo(user, descriptor);
                }
            }
        }
    }

    private static unsafe void GiveTo(UserIds user, string descriptor)
    {
        fixed (byte* path = Encoding.UTF8.GetBytes(descriptor + '\0'))
        {
            // SAFETY: zero-terminated and pinned for the call. The link of /proc leads to the pipe itself.
            if (Interop.fchownat(Interop.AT_FDCWD, path, user.Uid, user.Gid, 0) != 0)
            {
                throw LinuxException.Last($"giving {descriptor} to user {user.Uid}");
            }
        }
    }
}
