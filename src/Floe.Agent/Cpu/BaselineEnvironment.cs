using System.Globalization;

namespace Floe.Agent.Cpu;

/// <summary>
/// The environment that makes the libraries known to look at the CPU see only a baseline's features. What asks CPUID itself without a switch of its
/// own (V8, GMP, many Rust crates) is not reached; docs/cpu-baseline.md lists both.
/// What the user has set is kept: lists are appended to (of NumPy's list of what to enable only what the baseline has is left), single values that the user chose
/// are never overruled.
/// </summary>
public static class BaselineEnvironment
{
    /// <summary>Variables to set on top of <paramref name="existing"/> for a task that starts with <paramref name="baseline"/>.</summary>
    public static IReadOnlyDictionary<string, string> For(CpuBaseline baseline, IReadOnlyDictionary<string, string> existing)
    {
        ArgumentNullException.ThrowIfNull(baseline);
        ArgumentNullException.ThrowIfNull(existing);
        var level = baseline.Level;
        var changes = new Dictionary<string, string>(StringComparer.Ordinal);
        if (GlibcMask(level) is { } glibcMask)
        {
            changes["GLIBC_TUNABLES"] = AppendGlibcMask(existing.GetValueOrDefault("GLIBC_TUNABLES"), glibcMask);
        }

        var (leaf1, leaf7) = OpenSslClear(level);
        if (OpenSslMask.Combine(existing.GetValueOrDefault("OPENSSL_ia32cap"), leaf1, leaf7) is { } openSsl)
        {
            changes["OPENSSL_ia32cap"] = openSsl;
        }

        // The loader's lazy-binding trampoline saves the CPU's state into a buffer sized at start; on a machine with more state it would overrun.
        // Binding everything at start takes the trampoline out of the running program.
        changes["LD_BIND_NOW"] = "1";

        AppendWords(changes, existing, "JAVA_TOOL_OPTIONS", JavaOptions(level), ' ');
        var isNumpyListed = false;
        if (existing.GetValueOrDefault("NPY_ENABLE_CPU_FEATURES") is { Length: > 0 } enabled)
        {
            // NumPy that finds both cannot be imported, so the user's list is kept, but for what is above the baseline. One that is empty then is none.
            var allowed = enabled.Split([' ', ',', '\t', '\n'], StringSplitOptions.RemoveEmptyEntries).Except(NumpyFeatures(level), StringComparer.OrdinalIgnoreCase).ToList();
            changes["NPY_ENABLE_CPU_FEATURES"] = string.Join(' ', allowed);
            isNumpyListed = allowed.Count > 0;
        }

        if (!isNumpyListed)
        {
            AppendWords(changes, existing, "NPY_DISABLE_CPU_FEATURES", NumpyFeatures(level), ' ');
            AppendWords(changes, existing, "PYTHONWARNINGS", NumpyQuiet, ',');
        }

        AppendWords(changes, existing, "GODEBUG", GoDebug(level), ',');
        foreach (var (name, value) in SingleValues(level))
        {
            if (string.IsNullOrEmpty(existing.GetValueOrDefault(name)))
            {
                changes[name] = value;
            }
        }

        return changes;
    }

    // Both spellings: plain since glibc 2.33, with _Usable before; glibc passes over names that it does not know.
    // XSAVEC is not in v3 (Haswell lacks it) but the loader and newer TLS code would use it.
    private static string? GlibcMask(int level) => level switch
    {
        4 => null,
        3 => "-XSAVEC,-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ,-AVX512ER,-AVX512PF,-AVX512F_Usable,-AVX512DQ_Usable",
        _ => GlibcMask(3)
            + ",-AVX,-AVX2,-BMI1,-BMI2,-F16C,-FMA,-FMA4,-LZCNT,-MOVBE,-AVX_Usable,-AVX2_Usable,-FMA_Usable,-FMA4_Usable,-AVX_Fast_Unaligned_Load",
    };

    private static string AppendGlibcMask(string? existing, string mask)
    {
        const string Name = "glibc.cpu.hwcaps=";
        if (string.IsNullOrEmpty(existing))
        {
            return Name + mask;
        }

        // A tunable named twice is taken once only, so the user's own hwcaps and ours become one list.
        var tunables = existing.Split(':').ToList();
        var at = tunables.FindLastIndex(tunable => tunable.StartsWith(Name, StringComparison.Ordinal));
        if (at < 0)
        {
            tunables.Add(Name + mask);
        }
        else
        {
            tunables[at] = tunables[at].Length == Name.Length ? Name + mask : $"{tunables[at]},{mask}";
        }

        return string.Join(':', tunables);
    }

    // OPENSSL_ia32cap(3): bits of CPUID.1:EDX, ECX (<<32) and CPUID.7.0:EBX, ECX (<<32).
    private static (ulong Leaf1, ulong Leaf7) OpenSslClear(int level)
    {
        // AVX512IFMA, SHA; VAES and VPCLMULQDQ: in none of the levels.
        const ulong AboveV4 = (1UL << 21) | (1UL << 29) | (1UL << 41) | (1UL << 42);
        // AVX512F, DQ, PF, ER, CD, BW, VL.
        const ulong V4 = (1UL << 16) | (1UL << 17) | (1UL << 26) | (1UL << 27) | (1UL << 28) | (1UL << 30) | (1UL << 31);
        // BMI1, AVX2, BMI2.
        const ulong V3Leaf7 = (1UL << 3) | (1UL << 5) | (1UL << 8);
        // XOP (which OpenSSL keeps in bit 43), FMA, MOVBE, AVX, F16C.
        const ulong V3Leaf1 = (1UL << 43) | (1UL << 44) | (1UL << 54) | (1UL << 60) | (1UL << 61);
        return level switch
        {
            4 => (0, AboveV4),
            3 => (0, AboveV4 | V4),
            _ => (V3Leaf1, AboveV4 | V4 | V3Leaf7),
        };
    }

    // JAVA_TOOL_OPTIONS costs a line on stderr ("Picked up …"), and so does JDK_JAVA_OPTIONS; this one reaches every JVM, Java 8's and embedded
    // ones too. A line is the smaller evil than a SIGILL after the move.
    private static string[] JavaOptions(int level) => level switch
    {
        4 => ["-XX:-UseSHA"],
        3 => ["-XX:UseAVX=2", "-XX:-UseSHA"],
        // UseFMA is not known to Java 8, which would not start for it.
        _ =>
        [
            "-XX:+IgnoreUnrecognizedVMOptions", "-XX:UseAVX=0", "-XX:UseSSE=4", "-XX:-UseSHA", "-XX:-UseFMA",
            "-XX:-UseBMI1Instructions", "-XX:-UseBMI2Instructions", "-XX:-UseCountLeadingZerosInstruction",
        ],
    };

    // Up to 1.24 NumPy knows single features, from 2.4 on X86_V3 and X86_V4 instead: no list serves both without names that one of them does not know.
    private static string[] NumpyFeatures(int level)
    {
        string[] above4 = ["AVX512_CNL", "AVX512_ICL", "AVX512_SPR", "AVX512_KNL", "AVX512_KNM", "AVX512_CLX"];
        string[] above3 = [.. above4, "AVX512F", "AVX512CD", "AVX512_SKX", "X86_V4"];
        return level switch
        {
            4 => above4,
            3 => above3,
            _ => [.. above3, "AVX2", "FMA3", "F16C", "AVX", "XOP", "FMA4", "X86_V3"],
        };
    }

    // What a build or a machine does not have is an ImportWarning, not shown by default, only from 1.25 on. Before it is a RuntimeWarning of three lines on the
    // task's stderr. Both begin with these words.
    private static string[] NumpyQuiet => ["ignore:During parsing environment variable"];

    // Only names that every Go since 1.12 knows: an unknown one is printed as a warning.
    private static string[] GoDebug(int level) => level == 2
        ? ["cpu.avx=off", "cpu.avx2=off", "cpu.bmi1=off", "cpu.bmi2=off", "cpu.fma=off"]
        : [];

    private static IEnumerable<(string Name, string Value)> SingleValues(int level)
    {
        var (openBlas, mkl, oneDnn, aten) = level switch
        {
            4 => ("SkylakeX", "AVX512", "AVX512_CORE", "avx512"),
            3 => ("Haswell", "AVX2", "AVX2", "avx2"),
            _ => ("Nehalem", "SSE4_2", "SSE41", "default"),
        };
        yield return ("OPENBLAS_CORETYPE", openBlas);
        yield return ("MKL_ENABLE_INSTRUCTIONS", mkl);
        yield return ("ONEDNN_MAX_CPU_ISA", oneDnn);
        yield return ("DNNL_MAX_CPU_ISA", oneDnn);
        yield return ("ATEN_CPU_CAPABILITY", aten);
        if (level <= 3)
        {
            // EnableAVX512F up to .NET 9, EnableAVX512 from 10 on.
            yield return ("DOTNET_EnableAVX512F", "0");
            yield return ("DOTNET_EnableAVX512", "0");
        }

        if (level == 2)
        {
            yield return ("DOTNET_EnableAVX", "0");
            yield return ("DOTNET_EnableAVX2", "0");
            yield return ("DOTNET_EnableBMI1", "0");
            yield return ("DOTNET_EnableBMI2", "0");
            yield return ("DOTNET_EnableFMA", "0");
            yield return ("DOTNET_EnableLZCNT", "0");
            yield return ("DOTNET_EnableMOVBE", "0");
        }
    }

    /// <summary>Words that the user's value has already are not said twice.</summary>
    private static void AppendWords(
        Dictionary<string, string> changes, IReadOnlyDictionary<string, string> existing, string name, string[] words, char separator)
    {
        if (words.Length == 0)
        {
            return;
        }

        var theirs = existing.GetValueOrDefault(name) ?? "";
        changes[name] = theirs.Length == 0 ? string.Join(separator, words) : string.Join(separator, words.Except(theirs.Split(separator)).Prepend(theirs));
    }
}

/// <summary>The value of OPENSSL_ia32cap: two numbers, each either set as it is or, after a '~', cleared from what the CPU says.</summary>
internal static class OpenSslMask
{
    /// <summary>Adds bits to clear to what the user has set; null when the user's value is of a form that cannot be added to.</summary>
    public static string? Combine(string? existing, ulong clearLeaf1, ulong clearLeaf7)
    {
        var parts = (existing ?? "").Split(':');
        if (Part(parts[0], clearLeaf1) is not { } first || Part(parts.Length > 1 ? parts[1] : "", clearLeaf7) is not { } second)
        {
            return null;
        }

        return string.Join(':', [first, second, .. parts.Skip(2)]);
    }

    private static string? Part(string text, ulong clear)
    {
        if (text.Length == 0)
        {
            return clear == 0 ? "" : $"~0x{clear:x}";
        }

        var inverted = text[0] == '~';
        var digits = inverted ? text[1..] : text;
        var hex = digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        if (!ulong.TryParse(hex ? digits[2..] : digits, hex ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return null;
        }

        return inverted ? $"~0x{value | clear:x}" : $"0x{value & ~clear:x}";
    }
}
