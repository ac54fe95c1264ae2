using Floe.Linux.Processes;

namespace Floe.Agent.Preflight;

/// <summary>What this process may do.</summary>
internal static class PrivilegeChecks
{
    public static IEnumerable<CheckResult> Run(PreflightOptions options)
    {
        if (ProcessStatus.TryRead(Path.Combine(options.ProcRoot, "self")) is not { } status)
        {
            yield return CheckResult.Fail("proc", $"{options.ProcRoot} cannot be read", "mount proc there.");
            yield break;
        }

        // user_namespaces(7): the machine's own namespace maps every id onto itself. In any other one all capabilities may be effective,
        // and CRIU still cannot trace and restore.
        if (ProcFiles.TryReadText(Path.Combine(options.ProcRoot, "self/uid_map")) is { } map)
        {
            yield return map.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries) is ["0", "0", "4294967295"]
                ? CheckResult.Pass("user namespace", "the machine's own")
                : CheckResult.Fail("user namespace", "not the machine's own: its root has no right to freeze or restore a task",
                    "run Floe as the machine's root: no rootless container, no unshare --user, no hostUsers: false.");
        }

        // Without SYS_ADMIN, NET_ADMIN and SYS_TIME CRIU can only run unprivileged, which loses the monotonic clock across machines.
        yield return Check(status, Capability.SysAdmin, CheckStatus.Fail, "CRIU cannot freeze or restore a task");
        yield return Check(status, Capability.SysPtrace, CheckStatus.Fail, "the memory of the task cannot be read");
        yield return Check(status, Capability.NetAdmin, CheckStatus.Fail, "CRIU cannot restore sockets");
        yield return Check(status, Capability.SysTime, CheckStatus.Fail, "the task's clocks cannot be restored");
        yield return Check(status, Capability.SysResource, options.IsForOtherUser ? CheckStatus.Fail : CheckStatus.Warn, "no task of another user can be restored, and pipes stay small");
        yield return status.SeccompMode switch
        {
            0 => CheckResult.Pass("seccomp", "no filter on Floe"),
            _ => CheckResult.Warn("seccomp", "a seccomp filter is on Floe (a container's profile): CRIU's system calls may be refused",
                "run the container privileged or with --security-opt seccomp=unconfined; criu check tells whether that is needed."),
        };
    }

    private static CheckResult Check(ProcessStatus status, Capability capability, CheckStatus severity, string loss)
    {
        var name = capability.KernelName();
        if (status.EffectiveCapabilities.Has(capability))
        {
            return CheckResult.Pass(name, "effective");
        }

        // In the bounding set it is there for the taking: the process is just not root.
        var fix = status.BoundingCapabilities.Has(capability)
            ? "run Floe as root."
            : $"give it to the container (docker run --cap-add={name["CAP_".Length..]}, or privileged).";
        return new CheckResult(name, severity, $"missing: {loss}", fix);
    }
}
