using System.Globalization;

namespace Floe.Operations.Instances;

/// <summary>Instance types and where they are from.</summary>
/// <param name="Origin">For people: "embedded table of 2026-10-28" or "EC2's types in eu-central-1".</param>
/// <param name="IsLive">Asked of EC2 just now, so a type that is missing does not exist in that region.</param>
public sealed record InstanceTable(IReadOnlyList<InstanceType> Types, string Origin, bool IsLive)
{
    private const string Header = "instance_type,architectures,vcpus,memory_mib,baseline_gbps,peak_gbps,network_performance,nvme_gb,gpus,spot,current_generation,bare_metal";

    /// <summary>The table in the program: every type that EC2 described on its date, whatever the region.</summary>
    public static InstanceTable Embedded()
    {
        using var stream = typeof(InstanceTable).Assembly.GetManifestResourceStream("ec2-instance-types.csv")
            ?? throw new InvalidOperationException("the program lacks its table of instance types");
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd());
    }

    public InstanceType? Find(string name) => Types.FirstOrDefault(t => t.Name == name);

    /// <summary>That a type is not there, for people.</summary>
    public string Lacks(string name) => IsLive ? $"'{name}' is none of {Origin}" : $"'{name}' is no instance type of the {Origin}";

    /// <summary>Names that a mistyped one may have meant, nearest first.</summary>
    public IReadOnlyList<string> Near(string name)
    {
        var family = name.Split('.')[0];
        var sameFamily = Types.Where(t => t.Name.StartsWith(family + ".", StringComparison.Ordinal)).OrderBy(t => t.MemoryMiB).Select(t => t.Name).ToList();
        return sameFamily.Count > 0
            ? [.. sameFamily.Take(8)]
            : [.. Types.Where(t => t.Name.EndsWith(name[(name.IndexOf('.') + 1)..], StringComparison.Ordinal) && t.Name[0] == name[0]).Select(t => t.Name).Take(5)];
    }

    /// <summary>First line "# as of DATE: …", then the header, then a type a line.</summary>
    internal static InstanceTable Parse(string text)
    {
        var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (lines.Length < 3 || !lines[0].StartsWith("# as of ", StringComparison.Ordinal) || lines[1] != Header)
        {
            throw new InvalidDataException("not a table of instance types");
        }

        return new InstanceTable([.. lines.Skip(2).Select(Row)], $"embedded table of {lines[0].Substring(8, 10)}", false);
    }

    private static InstanceType Row(string line)
    {
        var cells = line.Split(',');
        return new InstanceType
        {
            Name = cells[0],
            Architectures = cells[1].Split('/'),
            VirtualCpus = int.Parse(cells[2], CultureInfo.InvariantCulture),
            MemoryMiB = long.Parse(cells[3], CultureInfo.InvariantCulture),
            BaselineGbps = double.Parse(cells[4], CultureInfo.InvariantCulture),
            PeakGbps = double.Parse(cells[5], CultureInfo.InvariantCulture),
            NvmeGB = InstanceType.HasOtherStorage(cells[0]) ? 0 : long.Parse(cells[7], CultureInfo.InvariantCulture),
            Gpus = int.Parse(cells[8], CultureInfo.InvariantCulture),
            Spot = cells[9] == "1",
            CurrentGeneration = cells[10] == "1",
            BareMetal = cells[11] == "1",
        };
    }
}
