using Floe.Agent.Cpu;
using Floe.Agent.Preflight;
using Floe.Criu;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>Whether this machine can take a task over, by its manifest alone: nothing is downloaded for a restore that must fail.</summary>
internal static class TargetCheck
{
    // CRIU keeps images readable for newer versions, not for older ones.
    private static readonly Version s_oldestReader = CriuInstallation.Minimum;

    /// <exception cref="UnfitTargetException">It cannot.</exception>
    public static void Require(Manifest manifest, Target target)
    {
        if (WhyNot(manifest, target) is { } reason)
        {
            throw new UnfitTargetException(reason);
        }
    }

    /// <summary>Null when it can; else one line that says what is missing and what to do.</summary>
    public static string? WhyNot(Manifest manifest, Target target)
    {
        var machine = manifest.Machine;
        var here = target.Cpu;
        if (machine.Architecture != here.Architecture)
        {
            return $"the task ran on {machine.Architecture}, this machine is {here.Architecture}; run it on {machine.Architecture}";
        }

        CpuBaseline? baseline = null;
        if (machine.CpuBaseline is { } name && (baseline = CpuBaseline.TryParse(name, out var error)) is null)
        {
            return $"the snapshot names a CPU baseline that this version does not know: {error}";
        }

        var verdict = CpuCompatibility.Check(Facts.Cpu(machine), baseline, here);
        if (!verdict.IsCompatible)
        {
            return verdict.Message!.TrimEnd('.');
        }

        var criu = target.CriuVersion;
        if (Version.TryParse(machine.CriuVersion, out var dumped) && (criu.Major, criu.Minor).CompareTo((dumped.Major, dumped.Minor)) < 0)
        {
            return $"the snapshot was made by CRIU {dumped}, this machine has {criu} (at least {s_oldestReader} of the same or a newer release is needed); use the same Floe bundle";
        }

        var lacking = machine.Capabilities.Except(target.Capabilities).ToList();
        if (lacking.Count > 0)
        {
            return $"the task was started with {string.Join(", ", lacking)}, which this machine does not give; start the container with the same capabilities (privileged)";
        }

        if (machine.ImageDigest is { } image && target.ImageDigest is { } imageHere && image != imageHere)
        {
            return $"the task ran in image {image}, this container is {imageHere}; pin the image";
        }

        if (Facts.Mount(manifest.Task) is { } mount && mount != (target.MountDirectory ?? ""))
        {
            return mount.Length == 0
                ? "the task was started without --mount; leave it out"
                : $"the task was started with --mount {mount}; give the same option";
        }

        if (manifest.Task.HighestPid >= target.PidLimit)
        {
            return $"the task has the pid {manifest.Task.HighestPid}, and here all are below {target.PidLimit}; sysctl kernel.pid_max=4194304";
        }

        return null;
    }

    /// <summary>What may stand in the way and need not: memory is given back meanwhile or swapped, and few programs use what only a new kernel has.</summary>
    public static IEnumerable<string> Doubts(Manifest manifest, Target target)
    {
        if (Facts.MemoryBytes(manifest.Task) is var needed && target.FreeMemoryBytes > 0 && needed > target.FreeMemoryBytes)
        {
            yield return $"the task had {needed >> 20} MiB of memory, and {target.FreeMemoryBytes >> 20} MiB are free here; if it is killed, give it more";
        }

        if (KernelVersion.TryParse(manifest.Machine.KernelRelease) is { } ran && KernelVersion.TryParse(target.KernelRelease) is { } kernel && kernel.CompareTo(ran) < 0)
        {
            yield return $"the task ran on Linux {ran}, this machine has {kernel}; if it fails, take a machine with a kernel as new";
        }
    }
}

/// <summary>This machine or this command line cannot take a task over. The message is one line that says what to do.</summary>
internal sealed class UnfitTargetException(string message) : Exception(message);
