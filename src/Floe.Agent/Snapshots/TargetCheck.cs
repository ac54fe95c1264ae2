using Floe.Agent.Cpu;
using Floe.Criu;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>Whether this machine can take a task over, by its manifest alone: nothing is downloaded for a restore that must fail.</summary>
internal static class TargetCheck
{
    // CRIU keeps images readable for newer versions, not for older ones.
    private static readonly Version s_oldestReader = CriuInstallation.Minimum;

    /// <summary>Null when it can; else one line that says what is missing and what to do.</summary>
    public static string? WhyNot(Manifest manifest, CriuInstallation criu, CpuFeatures here, long freeMemoryBytes)
    {
        var machine = manifest.Machine;
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
            return verdict.Message;
        }

        if (Version.TryParse(machine.CriuVersion, out var dumped) && (criu.Version.Major, criu.Version.Minor).CompareTo((dumped.Major, dumped.Minor)) < 0)
        {
            return $"the snapshot was made by CRIU {dumped}, this machine has {criu.Version} (at least {s_oldestReader} of the same or a newer release is needed); use the same Floe bundle";
        }

        var needed = manifest.Totals.RawBytes - manifest.Totals.ZeroBytes;
        if (freeMemoryBytes > 0 && needed > freeMemoryBytes)
        {
            return $"the task needs about {needed >> 20} MiB of memory, this machine has {freeMemoryBytes >> 20} MiB free; give it more";
        }

        return null;
    }

    /// <summary>MemAvailable, within the cgroup's limit; 0 when unknown.</summary>
    public static long FreeMemoryBytes()
    {
        long free = 0;
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemAvailable:", StringComparison.Ordinal) && long.TryParse(line.AsSpan(13).Trim().ToString().Split(' ')[0], out var kib))
            {
                free = kib * 1024;
                break;
            }
        }

        return free;
    }
}
