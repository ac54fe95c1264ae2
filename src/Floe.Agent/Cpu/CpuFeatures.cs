using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Floe.Agent.Cpu;

/// <summary>What every processor of a machine can do, by the kernel's names. Recorded with each snapshot, compared before a restore.</summary>
/// <param name="Architecture">x86_64 or aarch64.</param>
/// <param name="Vendor">vendor_id (x86) or CPU implementer (arm64); for messages.</param>
/// <param name="Model">model name (x86) or CPU part (arm64); for messages.</param>
/// <param name="Flags">/proc/cpuinfo's flags (x86) or Features (arm64) that all processors have, sorted.</param>
/// <param name="XsaveBytes">Size of the XSAVE area with the enabled state components (CPUID.0DH.0:EBX); 0 where there is none or it is not known.</param>
/// <param name="XsaveMaxBytes">The same with all supported components (CPUID.0DH.0:ECX).</param>
public sealed record CpuFeatures(
    string Architecture, string Vendor, string Model, IReadOnlyList<string> Flags, int XsaveBytes = 0, int XsaveMaxBytes = 0)
{
    /// <summary>Of this machine.</summary>
    public static CpuFeatures Read()
    {
        using var reader = new StreamReader("/proc/cpuinfo");
        var architecture = RuntimeInformation.ProcessArchitecture switch
        {
            System.Runtime.InteropServices.Architecture.X64 => "x86_64",
            System.Runtime.InteropServices.Architecture.Arm64 => "aarch64",
            var other => other.ToString().ToLowerInvariant(),
        };
        var parsed = Parse(reader, architecture);
        if (!X86Base.IsSupported || X86Base.CpuId(0, 0).Eax < 0xD || !parsed.Flags.Contains("xsave"))
        {
            return parsed;
        }

        var (_, ebx, ecx, _) = X86Base.CpuId(0xD, 0);
        return parsed with { XsaveBytes = ebx, XsaveMaxBytes = ecx };
    }

    /// <summary>Parses the text of /proc/cpuinfo.</summary>
    internal static CpuFeatures Parse(TextReader reader, string architecture)
    {
        var (vendorField, modelField, flagsField) = architecture == "aarch64"
            ? ("CPU implementer", "CPU part", "Features")
            : ("vendor_id", "model name", "flags");
        string? vendor = null, model = null, firstFlags = null;
        HashSet<string>? common = null;
        while (reader.ReadLine() is { } line)
        {
            var colon = line.IndexOf(':');
            if (colon < 0)
            {
                continue;
            }

            var field = line.AsSpan(0, colon).TrimEnd();
            var value = line.AsSpan(colon + 1).Trim();
            if (field.SequenceEqual(vendorField))
            {
                vendor ??= value.ToString();
            }
            else if (field.SequenceEqual(modelField))
            {
                model ??= value.ToString();
            }
            else if (field.SequenceEqual(flagsField) && (firstFlags is null || !value.SequenceEqual(firstFlags)))
            {
                // A task may run on any processor (big.LITTLE, hybrid parts), so only what all of them have counts.
                var flags = value.ToString().Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (common is null)
                {
                    firstFlags = value.ToString();
                    common = new HashSet<string>(flags, StringComparer.Ordinal);
                }
                else
                {
                    common.IntersectWith(flags);
                }
            }
        }

        string[] sorted = [.. (common ?? []).Order(StringComparer.Ordinal)];
        return new CpuFeatures(architecture, vendor ?? "unknown", model ?? "unknown", sorted);
    }
}
