namespace Floe.Operations.Instances;

/// <summary>What of an EC2 instance type decides whether a snapshot of it can be committed in time.</summary>
public sealed record InstanceType
{
    /// <summary>Like c6i.8xlarge.</summary>
    public required string Name { get; init; }

    /// <summary>x86_64, arm64, i386.</summary>
    public required IReadOnlyList<string> Architectures { get; init; }

    public required int VirtualCpus { get; init; }

    public required long MemoryMiB { get; init; }

    /// <summary>Guaranteed, decimal gigabits a second: what is there at any time, not the "up to" figure.</summary>
    public required double BaselineGbps { get; init; }

    /// <summary>For minutes at a time, while credits last.</summary>
    public required double PeakGbps { get; init; }

    /// <summary>Local NVMe storage; 0 without, and for disks that turn or that are no NVMe devices.</summary>
    public required long NvmeGB { get; init; }

    public required int Gpus { get; init; }

    public required bool Spot { get; init; }

    public required bool CurrentGeneration { get; init; }

    public required bool BareMetal { get; init; }

    public double MemoryGiB => MemoryMiB / 1024.0;

    /// <summary>GiB of memory for each guaranteed Gbps: Fusion's rule wants at most 5.</summary>
    public double GiBPerGbps => BaselineGbps > 0 ? MemoryGiB / BaselineGbps : double.PositiveInfinity;

    /// <summary>GPUs, also parts of one, and other devices whose state no snapshot holds: their families by name, as EC2 counts not all of them.</summary>
    public bool HasDevices => Gpus > 0 || DeviceFamily(Name);

    /// <summary>Family and size are words of letters, digits and dashes with one dot between; everything else is no type's name.</summary>
    public static bool IsName(string text) =>
        text.Length is > 3 and <= 40 && text.IndexOf('.') is > 0 and var dot && dot == text.LastIndexOf('.') && dot < text.Length - 1
        && text.All(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '-' or '.');

    /// <summary>
    /// Families whose local storage is none of NVMe: disks that turn (c1 to h1), and SSDs from before it. Source: EC2 User Guide, "Instance store volumes".
    /// </summary>
    public static bool HasOtherStorage(string name) =>
        name.Split('.')[0] is "c1" or "cc2" or "m1" or "m2" or "hs1" or "d2" or "d3" or "d3en" or "h1" or "c3" or "m3" or "r3" or "g2" or "i2" or "cr1" or "hi1" or "x1" or "x1e";

    private static bool DeviceFamily(string name) =>
        name.StartsWith("inf", StringComparison.Ordinal) || name.StartsWith("trn", StringComparison.Ordinal) || name.StartsWith("dl", StringComparison.Ordinal)
        || name.StartsWith("vt", StringComparison.Ordinal) || (name[0] is 'g' or 'p' or 'f' && char.IsAsciiDigit(name[1]));
}
