namespace Floe.Agent.Cpu;

/// <param name="Missing">Flags that the task needs and this machine lacks; empty when the reason is another.</param>
/// <param name="Message">One line: what is missing and what to do; null when the restore may go on.</param>
public sealed record CpuVerdict(IReadOnlyList<string> Missing, string? Message)
{
    public bool IsCompatible => Message is null;
}

/// <summary>Whether a task from one CPU can go on on another. Asked before anything is downloaded.</summary>
public static class CpuCompatibility
{
    /// <summary>
    /// Outside every level, masked by nothing that is known for all programs, and common on all rented machines: needed again if it was there.
    /// (RTM and HLE: glibc's string functions choose variants by them.)
    /// </summary>
    private static readonly string[] NeverMasked = ["aes", "pclmulqdq", "rdrand", "adx", "rtm", "hle"];

    /// <summary>
    /// With a baseline, the baseline's features are needed (and those few recorded ones that nothing masks); CRIU is then run with
    /// <c>--cpu-cap=none</c>. Without one, every recorded instruction is, and the XSAVE area must have the same size: the loader of a running
    /// program remembers the size it found at start, and a larger area overruns its stack buffer. That equals CRIU's <c>--cpu-cap=fpu,ins</c>.
    /// </summary>
    public static CpuVerdict Check(CpuFeatures recorded, CpuBaseline? recordedBaseline, CpuFeatures here)
    {
        ArgumentNullException.ThrowIfNull(recorded);
        ArgumentNullException.ThrowIfNull(here);
        if (recorded.Architecture != here.Architecture)
        {
            return new CpuVerdict([], $"the snapshot is from {recorded.Architecture}, this machine is {here.Architecture}: restore it on {recorded.Architecture}.");
        }

        var needed = recordedBaseline is { } baseline
            ? baseline.Features.Concat(recorded.Flags.Intersect(NeverMasked, StringComparer.Ordinal))
            : recorded.Flags.Where(flag => InstructionFlags.IsInstruction(recorded.Architecture, flag));
        string[] missing = [.. needed.Except(here.Flags, StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        if (missing.Length > 0)
        {
            var list = missing.Length <= 8 ? string.Join(", ", missing) : $"{string.Join(", ", missing.Take(8))} and {missing.Length - 8} more";
            var advice = recordedBaseline is null && recorded.Architecture == "x86_64"
                ? "restore it on a machine like that, or start such tasks with --cpu-baseline=x86-64-v3"
                : "restore it on a machine that has them";
            return new CpuVerdict(missing, $"the task ran on {recorded.Model} and this machine ({here.Model}) lacks {list}: {advice}.");
        }

        if (recordedBaseline is null && SizesDiffer(recorded.XsaveBytes, here.XsaveBytes, recorded.XsaveMaxBytes, here.XsaveMaxBytes))
        {
            return new CpuVerdict(
                [],
                $"the task ran on {recorded.Model} with {recorded.XsaveBytes} bytes of CPU state (XSAVE, at most {recorded.XsaveMaxBytes}), this machine "
                + $"({here.Model}) has {here.XsaveBytes} (at most {here.XsaveMaxBytes}): restore it on a machine like that, "
                + "or start such tasks with --cpu-baseline=x86-64-v3.");
        }

        return new CpuVerdict([], null);
    }

    // 0 is "not known": old manifests and other architectures are not refused for it.
    private static bool SizesDiffer(int recorded, int here, int recordedMax, int hereMax) =>
        (recorded != 0 && here != 0 && recorded != here) || (recordedMax != 0 && hereMax != 0 && recordedMax != hereMax);
}
