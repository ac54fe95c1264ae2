using System.Globalization;
using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Tasks;

/// <summary>
/// Keeps the pids of the task apart from those of the agent and CRIU: the task lives from 1000 upwards, a fresh agent in a fresh
/// pid namespace stays far below, so a restore always finds the task's pids free.
/// </summary>
internal static class PidFloor
{
    public const int FirstTaskPid = 1000;

    /// <summary>PID_MAX_LIMIT of 64-bit kernels: no pid is as high.</summary>
    public const int PidLimit = 4 << 20;

    private const string LastPidPath = "/proc/sys/kernel/ns_last_pid";

    /// <summary>Makes the next pid in this namespace greater than <paramref name="lastPid"/>. Never moves downwards.</summary>
    /// <exception cref="FloeException">The counter cannot be moved.</exception>
    public static void RaiseTo(int lastPid)
    {
        if (Current() >= lastPid)
        {
            return;
        }

        try
        {
            File.WriteAllText(LastPidPath, lastPid.ToString(CultureInfo.InvariantCulture));
            return;
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            // /proc/sys is read-only in an unprivileged container: burn pids instead.
        }

        for (var i = 0; i < 2 * lastPid && Current() < lastPid; i++)
        {
            Burn();
        }

        if (Current() < lastPid)
        {
            throw new FloeException(ExitCodes.Usage, $"{LastPidPath} cannot be written; run the container privileged, or with CAP_CHECKPOINT_RESTORE and a writable /proc/sys");
        }
    }

    private static int Current() => int.Parse(File.ReadAllText(LastPidPath).Trim(), CultureInfo.InvariantCulture);

    /// <summary>A child that cannot be executed still takes a pid.</summary>
    private static void Burn()
    {
        try
        {
            ChildProcess.Spawn(new ChildProcessOptions { Path = "/proc/none"u8.ToArray(), Arguments = [Encoding.UTF8.GetBytes("none")] });
        }
        catch (LinuxException)
        {
        }
    }
}
