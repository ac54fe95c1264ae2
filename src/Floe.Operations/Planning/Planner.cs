using Floe.Operations.Instances;

namespace Floe.Operations.Planning;

/// <summary>Which types to look at.</summary>
public sealed record TypeFilter
{
    /// <summary>x86_64 or arm64; null for both.</summary>
    public string? Architecture { get; init; } = "x86_64";

    /// <summary>Only types with local NVMe.</summary>
    public bool Nvme { get; init; }

    public bool Previous { get; init; }

    public bool Gpus { get; init; }

    public bool BareMetal { get; init; }

    /// <summary>Families as a prefix of the name: "c6i." or "m".</summary>
    public IReadOnlyList<string> Families { get; init; } = [];

    public bool Admits(InstanceType type) =>
        type.Spot
        && (Architecture is null || type.Architectures.Contains(Architecture))
        && (!Nvme || type.NvmeGB > 0)
        && (Previous || type.CurrentGeneration)
        && (Gpus || !type.HasDevices)
        && (BareMetal || !type.BareMetal)
        && (Families.Count == 0 || Families.Any(f => type.Name.StartsWith(f, StringComparison.Ordinal)));
}

/// <summary>
/// Can a snapshot be committed before the machine is gone?
///
/// A notice freezes every task of the machine at once, so what counts is the memory of all tasks that fit on it against its one link:
/// seconds = GiB × 8.59 ÷ (Gbps × efficiency) ÷ compressibility. 8.59 Gbit is a GiB: memory is sold in binary units, bandwidth in
/// decimal ones. Guaranteed bandwidth only: the "up to" figure may be spent when the notice comes. Nothing is sent before the notice, so
/// all of the memory has to go.
/// </summary>
public static class Planner
{
    /// <summary>Gigabits in a GiB.</summary>
    public const double GigabitsPerGiB = 8.589934592;

    /// <summary>EC2 User Guide, "Amazon EC2 instance network bandwidth": a single flow outside a placement group.</summary>
    public const double FlowGbps = 5;

    /// <summary>The published rule is 5:1; 64 GiB over 12.5 Gbps, which its tables accept, is 5.12. EC2 rounds 0.78125 Gbps to 0.781.</summary>
    public const double AcceptedRatio = 5.125;

    /// <summary>Raw bytes that one processor reads, hashes and compresses in a second, GB; measured, see bench/.</summary>
    public const double CompressGBPerCpu = 0.35;

    // Of a machine's memory, what is left for tasks beside the kernel, Docker and the ECS agent.
    private const double UsableMemory = 0.95;

    public static Plan Rank(InstanceTable table, TypeFilter filter, PlanRequest request, int most)
    {
        var considered = table.Types.Where(filter.Admits).Select(t => Judge(t, request)).Where(e => e.Verdict != Verdict.TooSmall).ToList();
        var fitting = considered.Where(e => e.Verdict == Verdict.Fits)
            .OrderBy(Waste).ThenBy(e => e.VirtualCpus).ThenBy(e => -e.SpareSeconds).ThenBy(e => e.Type, StringComparer.Ordinal).ToList();
        var shown = fitting.Take(most).ToList();
        return new Plan
        {
            Source = table.Origin,
            Assumptions = request,
            BudgetSeconds = request.BudgetSeconds,
            Types = shown,
            Considered = considered.Count,
            Fitting = fitting.Count,
            Limits = Limits(shown),
        };

        // With a task given: machine that is paid for and not used. Without: large machines first, as they take any task.
        double Waste(Estimate e) => request.TaskMemoryGiB is null ? -e.MemoryGiB : (e.MemoryGiB - e.ResidentGiB) / e.Tasks + e.MemoryGiB / 1e3;
    }

    /// <exception cref="KeyNotFoundException">A name is no type of the table; the message is one line for the user.</exception>
    public static Plan Judge(InstanceTable table, IReadOnlyList<string> names, PlanRequest request)
    {
        var estimates = names.Distinct().Select(name => Judge(table.Find(name) ?? throw new KeyNotFoundException(Unknown(table, name)), request)).ToList();
        return new Plan
        {
            Source = table.Origin,
            Assumptions = request,
            BudgetSeconds = request.BudgetSeconds,
            Types = estimates,
            Considered = estimates.Count,
            Fitting = estimates.Count(e => e.Verdict == Verdict.Fits),
            Limits = Limits(estimates),
        };
    }

    public static Estimate Judge(InstanceType type, PlanRequest request)
    {
        var (tasks, resident) = Load(type, request);
        var link = Math.Min(type.BaselineGbps, FlowGbps * request.Connections);
        var usable = link * request.Efficiency;
        var rate = GiBPerSecond(type, usable, request.Compressibility);
        var everything = rate > 0 ? resident / rate : double.PositiveInfinity;
        var budget = request.BudgetSeconds;
        return new Estimate
        {
            Type = type.Name,
            Architectures = type.Architectures,
            VirtualCpus = type.VirtualCpus,
            MemoryGiB = type.MemoryGiB,
            NvmeGB = type.NvmeGB,
            Spot = type.Spot,
            BaselineGbps = type.BaselineGbps,
            GiBPerGbps = type.GiBPerGbps,
            FiveToOne = type.GiBPerGbps <= AcceptedRatio,
            Tasks = tasks,
            ResidentGiB = resident,
            PerFlowGbps = Math.Min(FlowGbps, type.BaselineGbps),
            ConnectionsNeeded = Math.Max(1, (int)Math.Ceiling(type.BaselineGbps / FlowGbps)),
            UsableGbps = usable,
            LineRateSeconds = type.BaselineGbps > 0 ? resident * GigabitsPerGiB / type.BaselineGbps : double.PositiveInfinity,
            EverythingSeconds = everything,
            BudgetSeconds = budget,
            SpareSeconds = budget - everything,
            MemoryThatFitsGiB = Math.Min(type.MemoryGiB, rate * budget),
            Verdict = tasks == 0 ? Verdict.TooSmall : everything <= budget ? Verdict.Fits : Verdict.DoesNotFit,
        };
    }

    /// <summary>Memory and processors that no single task may exceed so that it fits any of the types; null when none fits anything.</summary>
    public static ResourceLimits? Limits(IReadOnlyList<Estimate> estimates)
    {
        var memory = estimates.Select(e => (int)Math.Min(e.MemoryThatFitsGiB, e.MemoryGiB * UsableMemory)).DefaultIfEmpty().Min();
        return memory > 0 ? new ResourceLimits(memory, estimates.Min(e => e.VirtualCpus)) : null;
    }

    /// <summary>How many tasks one notice freezes, and their memory. Without a task's size the machine is taken to be full.</summary>
    private static (int Tasks, double GiB) Load(InstanceType type, PlanRequest request)
    {
        if (request.TaskMemoryGiB is not { } memory)
        {
            return (1, type.MemoryGiB);
        }

        // A task as large as the machine is judged with it, though Batch would leave some room: the published example is such a one.
        var byMemory = memory <= type.MemoryGiB ? Math.Max(1, (int)(type.MemoryGiB * UsableMemory / memory)) : 0;
        var byCpus = request.TaskCpus > 0 ? type.VirtualCpus / request.TaskCpus : int.MaxValue;
        var tasks = Math.Min(byMemory, byCpus);
        return tasks == 0 ? (0, memory) : request.Alone ? (1, memory) : (tasks, tasks * memory);
    }

    /// <summary>
    /// Compressing pays only while processors keep up: what leaves is the faster of everything raw over the link, and as much as the
    /// processors compress.
    /// </summary>
    private static double GiBPerSecond(InstanceType type, double usableGbps, double compressibility)
    {
        var raw = usableGbps / GigabitsPerGiB;
        var processors = type.VirtualCpus * CompressGBPerCpu * 1e9 / (1L << 30);
        return Math.Max(raw, Math.Min(raw * compressibility, processors));
    }

    private static string Unknown(InstanceTable table, string name)
    {
        // EC2 was asked for the named types alone.
        var near = table.Near(name) is { Count: > 0 } own ? own : InstanceTable.Embedded().Near(name);
        return table.Lacks(name) + (near.Count > 0 ? $"; there are {string.Join(", ", near)}" : "");
    }
}
