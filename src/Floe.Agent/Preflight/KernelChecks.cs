using System.Runtime.InteropServices;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>The kernel's version and the features that dump and restore use.</summary>
internal static class KernelChecks
{
    // CRIU needs clone3 with set_tid (5.5) or ns_last_pid; the time namespace (5.6) carries the monotonic clock; pidfd_open is 5.3.
    private static readonly KernelVersion Oldest = new(5, 6);

    public static IEnumerable<CheckResult> Run(PreflightOptions options)
    {
        var release = ProcFiles.TryReadText(Path.Combine(options.ProcRoot, "sys/kernel/osrelease"))?.Trim() ?? "unknown";
        var version = KernelVersion.TryParse(release);
        yield return version is { } known && known.CompareTo(Oldest) >= 0
            ? CheckResult.Pass("kernel", $"Linux {release}")
            : CheckResult.Fail("kernel", $"Linux {release}", $"Floe needs Linux {Oldest} or newer: choose a newer machine image (Amazon Linux 2023 has 6.1).");

        yield return File.Exists(Path.Combine(options.ProcRoot, "self/ns/time")) || ProcFiles.TryReadLink(Path.Combine(options.ProcRoot, "self/ns/time")) is not null
            ? CheckResult.Pass("time namespace", "there")
            : CheckResult.Fail("time namespace", "missing (CONFIG_TIME_NS): a restored task would hang where the machine's uptime is shorter",
                "use a kernel with CONFIG_TIME_NS=y.");

        yield return PidFd();
        yield return ProcessVmRead();
        yield return LastPid(options);
    }

    private static CheckResult PidFd()
    {
        var fd = Interop.pidfd_open(Environment.ProcessId, 0);
        if (fd < 0)
        {
            return CheckResult.Fail("pidfd", $"pidfd_open: {Marshal.GetLastPInvokeErrorMessage()}",
                "let it through: the container's seccomp profile or the kernel stands in the way (docker run --privileged, or --security-opt seccomp=unconfined).");
        }

        _ = Interop.close(fd);
        return CheckResult.Pass("pidfd", "there");
    }

    private static unsafe CheckResult ProcessVmRead()
    {
        long value = 0x466c6f65, copy = 0;
        var local = new Interop.IoVec { Base = &copy, Length = sizeof(long) };
        var remote = new Interop.IoVec { Base = &value, Length = sizeof(long) };
        // SAFETY: both sides are locals of this frame, one word each.
        var read = Interop.process_vm_readv(Environment.ProcessId, &local, 1, &remote, 1, 0);
        return read == sizeof(long) && copy == value
            ? CheckResult.Pass("process_vm_readv", "there")
            : CheckResult.Fail("process_vm_readv", Marshal.GetLastPInvokeErrorMessage(),
                "memory is read with it: allow it in the container's seccomp profile (docker run --cap-add=SYS_PTRACE, or privileged).");
    }

    // Opened for writing and closed again: nothing is written, so no pid is moved.
    private static CheckResult LastPid(PreflightOptions options)
    {
        const string Name = "ns_last_pid";
        try
        {
            using var file = File.Open(Path.Combine(options.ProcRoot, "sys/kernel/ns_last_pid"), FileMode.Open, FileAccess.Write);
            return CheckResult.Pass(Name, "writable");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return CheckResult.Warn(Name, "not writable: pids are raised by forking instead, and restores may meet taken pids",
                "mount /proc/sys writable (docker run --privileged).");
        }
    }
}
