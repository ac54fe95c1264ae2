namespace Floe.Agent.Cpu;

/// <summary>
/// A level of the x86-64 psABI. A task started with everything above its level masked (<see cref="BaselineEnvironment"/>) can move to any machine
/// that has the level. Source: x86-64 psABI, "Micro-Architecture Levels"; the features stand here under the kernel's names
/// (pni is SSE3, abm is LZCNT, cx16 is CMPXCHG16B, xsave stands for OSXSAVE).
/// </summary>
public sealed class CpuBaseline
{
    private static readonly string[] Level2 =
        ["fpu", "cx8", "cmov", "fxsr", "mmx", "sse", "sse2", "syscall", "cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"];

    private static readonly string[] Level3 = [.. Level2, "avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"];

    private static readonly string[] Level4 = [.. Level3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"];

    private CpuBaseline(int level, string[] features)
    {
        Level = level;
        Features = features;
    }

    public static CpuBaseline X86V2 { get; } = new(2, Level2);

    public static CpuBaseline X86V3 { get; } = new(3, Level3);

    public static CpuBaseline X86V4 { get; } = new(4, Level4);

    /// <summary>2, 3 or 4.</summary>
    public int Level { get; }

    /// <summary>As the user writes it: x86-64-v3.</summary>
    public string Name => $"x86-64-v{Level}";

    /// <summary>All features of the level, those of the lower levels included.</summary>
    public IReadOnlyList<string> Features { get; }

    /// <summary>The one that a run is to have on this machine; null for null.</summary>
    /// <exception cref="FloeException">There is no such level, or this CPU lacks it.</exception>
    public static CpuBaseline? Required(string? name)
    {
        if (name is null)
        {
            return null;
        }

        var baseline = TryParse(name, out var error) ?? throw new FloeException(ExitCodes.Usage, $"--cpu-baseline: {error}");
        return baseline.WhyNotOn(CpuFeatures.Read()) is { } reason ? throw new FloeException(ExitCodes.Usage, $"--cpu-baseline {name}: {reason}") : baseline;
    }

    /// <summary>Null, and what to write instead, for any other text.</summary>
    public static CpuBaseline? TryParse(string text, out string? error)
    {
        CpuBaseline? baseline = text switch
        {
            "x86-64-v2" => X86V2,
            "x86-64-v3" => X86V3,
            "x86-64-v4" => X86V4,
            _ => null,
        };
        error = baseline is null ? $"'{text}' is not a CPU baseline: write x86-64-v2, x86-64-v3 or x86-64-v4." : null;
        return baseline;
    }

    /// <summary>Null when a task with this baseline can start here, else one line that says what is missing.</summary>
    public string? WhyNotOn(CpuFeatures here)
    {
        ArgumentNullException.ThrowIfNull(here);
        if (here.Architecture != "x86_64")
        {
            return $"the CPU baseline {Name} is for x86_64, this machine is {here.Architecture}: leave --cpu-baseline out here.";
        }

        var missing = Features.Except(here.Flags, StringComparer.Ordinal).ToArray();
        return missing.Length == 0
            ? null
            : $"this machine ({here.Model}) is below the CPU baseline {Name}, it lacks {string.Join(", ", missing)}: choose a lower --cpu-baseline.";
    }

    public override string ToString() => Name;
}
