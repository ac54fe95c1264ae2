using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Launch;

/// <summary>Why the program that starts a container's task is not root, and what to do about it, in one line.</summary>
public static class NoRoot
{
    private const string Remedy = "run the container as root: USER root in the image, or process.containerOptions = '--user root' where the engine takes it";

    public static FloeException Refusal()
    {
        var program = Bundle.ProgramPath;
        var reason = Reason(
            File.Exists(program) ? File.GetUnixFileMode(program) : UnixFileMode.None,
            program,
            ProcFiles.TryReadText("/proc/self/status") ?? "",
            ProcFiles.TryReadText("/proc/self/mountinfo") ?? "",
            Interop.getpid());
        return new FloeException(
            ExitCodes.StoreError, $"the container runs as user {Interop.geteuid()}, who may not mount {FusionLine.MountDirectory}, and {reason}; {Remedy}");
    }

    /// <param name="status">/proc/self/status.</param>
    /// <param name="mounts">/proc/self/mountinfo.</param>
    internal static string Reason(UnixFileMode mode, string program, string status, string mounts, int pid)
    {
        if ((mode & UnixFileMode.SetUser) == 0)
        {
            return $"{program} does not carry the set-user-id bit that the layer gives it";
        }

        const string Bit = "the program's set-user-id bit has no effect: ";
        if (status.Split('\n').Any(static line => line.StartsWith("NoNewPrivs:", StringComparison.Ordinal) && line.EndsWith('1')))
        {
            return $"{Bit}the container has no_new_privs (allowPrivilegeEscalation: false, no-new-privileges)";
        }

        if (IsOnNoSuid(program, mounts))
        {
            return $"{Bit}{program} is on a file system mounted nosuid";
        }

        return pid != 1
            ? $"{Bit}only the container's process 1 keeps it, and this is process {pid} (docker run --init, a pid namespace that is shared, docker exec)"
            : $"{Bit}its owner is not the root of this user namespace";
    }

    private static bool IsOnNoSuid(string program, string mounts)
    {
        // Field 5 is the mount point, field 6 its options; of several on one path the last is on top. Source: proc_pid_mountinfo(5).
        string? options = null;
        var longest = 0;
        foreach (var fields in mounts.Split('\n').Select(static line => line.Split(' ')).Where(static fields => fields.Length > 5))
        {
            var below = fields[4] == "/" ? "/" : fields[4] + "/";
            if (below.Length >= longest && program.StartsWith(below, StringComparison.Ordinal))
            {
                (longest, options) = (below.Length, fields[5]);
            }
        }

        return options?.Split(',').Contains("nosuid") == true;
    }
}
