using System.Globalization;
using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Tasks;

/// <summary>
/// Keeps the pids of the task apart from those of the agent and CRIU: the task lives from 1000 upwards, a fresh agent in a fresh
/// pid namespace stays far below, so a restore always finds the task's pids free.
/// </summary>
internal static partial class PidFloor
{
    public const int FirstTaskPid = 1000;

    /// <summary>PID_MAX_LIMIT of 64-bit kernels: no pid is as high.</summary>
    public const int PidLimit = 4 << 20;

    private const string LastPidName = "sys/kernel/ns_last_pid";
    private const string LastPidPath = "/proc/" + LastPidName;

    // So many take a second or two.
    private const int ManyPids = 5000;

    /// <summary>Makes the next pid in this namespace greater than <paramref name="lastPid"/>. Never moves downwards.</summary>
    /// <exception cref="FloeException">The counter cannot be moved.</exception>
    /// <exception cref="OperationCanceledException">It takes long, and is not wanted any more.</exception>
    public static void RaiseTo(int lastPid, ILogger logger, CancellationToken cancellationToken)
    {
        if (Current() >= lastPid)
        {
            return;
        }

        try
        {
            File.WriteAllText(LastPidPath, lastPid.ToString(CultureInfo.InvariantCulture));
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            // /proc/sys is read-only in a container that is not privileged.
            if (!TryRaiseUnseen(lastPid))
            {
                BurnTo(lastPid, logger, cancellationToken);
            }
        }
    }

    /// <summary>By a /proc of our own that stands in no folder. Takes CAP_SYS_ADMIN; an AppArmor profile may refuse it all the same.</summary>
    internal static unsafe bool TryRaiseUnseen(int lastPid)
    {
        using var context = Interop.fsopen("proc", Interop.FSOPEN_CLOEXEC);
        if (context.IsInvalid || Interop.fsconfig(context, Interop.FSCONFIG_CMD_CREATE, null, null, 0) < 0)
        {
            return false;
        }

        using var proc = Interop.fsmount(context, Interop.FSMOUNT_CLOEXEC, 0);
        if (proc.IsInvalid)
        {
            return false;
        }

        using var counter = Interop.openat(proc, LastPidName, Interop.O_WRONLY | Interop.O_CLOEXEC, 0);
        try
        {
            RandomAccess.Write(counter, Encoding.ASCII.GetBytes(lastPid.ToString(CultureInfo.InvariantCulture)), 0);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return false;
        }
    }

    /// <summary>Where nothing may be written: by as many children as there are pids in between.</summary>
    internal static void BurnTo(int lastPid, ILogger logger, CancellationToken cancellationToken)
    {
        var count = lastPid - Current();
        if (count > ManyPids)
        {
            LogBurning(logger, count, LastPidPath);
        }

        for (var i = 0; i < 2L * count && Current() < lastPid; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
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

    [LoggerMessage(EventId = 4510, Level = LogLevel.Warning,
        Message = "The task's pids are {Count} above those that this container has given out, and {Path} cannot be written: they are used up one by one, at a thousand or two a second. A privileged container needs no time for it")]
    private static partial void LogBurning(ILogger logger, int count, string path);
}
