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

        var lacking = machine.Capabilities.Except(Capabilities.OfThisProcess()).ToList();
        if (lacking.Count > 0)
        {
            return $"the task was started with {string.Join(", ", lacking)}, which this machine does not give; start the container with the same capabilities (privileged)";
        }

        if (machine.ImageDigest is { } image && Environment.GetEnvironmentVariable(Facts.ImageDigestVariable) is { Length: > 0 } imageHere && image != imageHere)
        {
            return $"the task ran in image {image}, this container is {imageHere}; pin the image";
        }

        if (Facts.MemoryBytes(manifest.Task) is var needed && freeMemoryBytes > 0 && needed > freeMemoryBytes)
        {
            return $"the task needs {needed >> 20} MiB of memory, this machine has {freeMemoryBytes >> 20} MiB free; give it more";
        }

        return null;
    }
}
