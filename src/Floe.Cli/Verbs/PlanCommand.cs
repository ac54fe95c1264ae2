using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations.Instances;
using Floe.Operations.Planning;
using Floe.Operations.Reporting;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe plan</c>: which instance types can commit a snapshot before they are gone.</summary>
internal static class PlanCommand
{
    private static readonly Argument<string[]> s_types = new("TYPE") { Description = "Instance types to judge; without any, the types that fit are ranked", Arity = ArgumentArity.ZeroOrMore };
    private static readonly Option<double?> s_memory = Amounts.Memory("--memory", "Memory of one task; default: all of the machine's");
    private static readonly Option<double?> s_cpus = Amounts.Number("--cpus", "N", 1, 4096, "Processors of one task");
    private static readonly Option<bool> s_alone = new("--alone") { Description = "One task a machine; otherwise as many as fit are frozen by the same notice and share its link" };
    private static readonly Option<double?> s_compress = Amounts.Number("--compressibility", "R", 1, 1000, "Bytes of memory for each byte sent, zero pages included; default 1, the worst case");
    private static readonly Option<string?> s_measured = new("--measured") { HelpName = "SOURCE", Description = "Take memory and compressibility from the traces of tasks that ran: a store, folder or trace.json" };
    private static readonly Option<string> s_provider = Amounts.Word("--provider", [.. Provider.All.Select(p => p.Name)], "aws", "Who takes the machine away: aws gives 120 s, google and azure 30");
    private static readonly Option<double?> s_notice = Amounts.Number("--notice", "SECONDS", 5, 86400, "Seconds between notice and end, when they are others than the provider's");
    private static readonly Option<double?> s_margin = Amounts.Number("--margin", "PERCENT", 0, 90, "Part of the notice that is kept free; default 15");
    private static readonly Option<double?> s_efficiency = Amounts.Number("--efficiency", "PERCENT", 1, 100, "Part of the guaranteed bandwidth that a snapshot gets through; default 63, as published of Fusion");
    private static readonly Option<double?> s_connections = Amounts.Number("--connections", "N", 1, 256, "TCP connections at once, 5 Gbps each at most; default 16");
    private static readonly Option<string> s_arch = Amounts.Word("--arch", ["x86_64", "arm64", "any"], "x86_64", "Architecture to rank");
    private static readonly Option<string[]> s_family = new("--family") { HelpName = "PREFIX", Description = "Only types whose name begins so, like c6i. or r; may be repeated", DefaultValueFactory = static _ => [] };
    private static readonly Option<bool> s_nvme = new("--nvme") { Description = "Only types with local NVMe, as the object-store file system wants" };
    private static readonly Option<bool> s_previous = new("--previous") { Description = "Earlier generations too" };
    private static readonly Option<bool> s_gpu = new("--gpu") { Description = "Types with GPUs and other devices too (their state does not travel)" };
    private static readonly Option<bool> s_metal = new("--metal") { Description = "Bare metal too" };
    private static readonly Option<double?> s_top = Amounts.Number("--top", "N", 1, 5000, "How many types are shown; default 20");
    private static readonly Option<bool> s_offline = new("--offline") { Description = "Use the embedded table even where EC2 could be asked" };
    private static readonly Option<bool> s_chart = new("--chart") { Description = "Draw memory against bandwidth, with the region that fits" };
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<bool> s_csv = new("--csv") { Description = "Print CSV" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("plan", """
            Say which instance types can commit a snapshot before they are gone, or judge given types and say what memory would fit.

            What counts is the memory of all tasks on a machine against its guaranteed bandwidth. With AWS credentials EC2 is asked for
            its types, else a table in the program is used, whose date is shown.

            Exit status: 0; 1 when no type (or one of those given) fits.

            Examples:
              floe plan --memory 32GiB --cpus 8 --nvme
              floe plan c6i.8xlarge r6i.8xlarge
              floe plan --memory 60GiB --measured s3://bucket/floe --chart
            """);
        command.Arguments.Add(s_types);
        foreach (var option in (Option[])[s_memory, s_cpus, s_alone, s_compress, s_measured, s_provider, s_notice, s_margin, s_efficiency, s_connections, s_arch, s_family, s_nvme, s_previous, s_gpu, s_metal, s_top, s_region, s_offline, s_chart, s_csv, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var names = parsed.GetValue(s_types) ?? [];
        if (names.FirstOrDefault(n => !InstanceType.IsName(n)) is { } wrong)
        {
            throw new FloeException(ExitCodes.Usage, $"'{wrong}' is no instance type; they are written like c6i.8xlarge");
        }

        var (request, measured) = await RequestAsync(parsed, log, cancellationToken).ConfigureAwait(false);
        var table = await TableAsync(parsed, log, cancellationToken).ConfigureAwait(false);
        Plan plan;
        try
        {
            plan = names.Length > 0 ? Planner.Judge(table, names, request) : Planner.Rank(table, Filter(parsed), request, (int)(parsed.GetValue(s_top) ?? 20));
        }
        catch (KeyNotFoundException e)
        {
            throw new FloeException(ExitCodes.Usage, e.Message, e);
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(plan, PlanJson.Default.Plan));
        }
        else if (parsed.GetValue(s_csv))
        {
            System.Console.Write(Csv(plan));
        }
        else
        {
            Print(plan, measured, names.Length > 0, parsed.GetValue(s_chart));
        }

        return plan.Fitting > 0 && (names.Length == 0 || plan.Fitting == plan.Types.Count) ? 0 : 1;
    }

    private static async Task<(PlanRequest Request, Measurements? Measured)> RequestAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        Measurements? measured = null;
        if (parsed.GetValue(s_measured) is { } source)
        {
            try
            {
                var traces = new TraceSources(url => ObjectStores.Open(url, StoreOptions.FromEnvironment(), log, TimeProvider.System));
                await traces.ReadAsync(source, cancellationToken).ConfigureAwait(false);
                measured = Measurements.Of(traces.Found) ?? throw new FloeException(ExitCodes.Usage, $"no committed snapshot in the {traces.Found.Count} traces of {source}: nothing to measure by");
            }
            catch (Exception e) when (e is FormatException or FileNotFoundException)
            {
                throw new FloeException(ExitCodes.Usage, e.Message, e);
            }
        }

        var defaults = new PlanRequest();
        var provider = Provider.All.First(p => p.Name == parsed.GetValue(s_provider));
        return (defaults with
        {
            TaskMemoryGiB = parsed.GetValue(s_memory) ?? measured?.MemoryGiB,
            TaskCpus = (int)(parsed.GetValue(s_cpus) ?? 0),
            Alone = parsed.GetValue(s_alone),
            NoticeSeconds = parsed.GetValue(s_notice) ?? provider.NoticeSeconds,
            Margin = parsed.GetValue(s_margin) / 100 ?? defaults.Margin,
            Efficiency = parsed.GetValue(s_efficiency) / 100 ?? defaults.Efficiency,
            Compressibility = parsed.GetValue(s_compress) ?? measured?.Compressibility ?? defaults.Compressibility,
            Connections = (int)(parsed.GetValue(s_connections) ?? defaults.Connections),
        }, measured);
    }

    private static TypeFilter Filter(ParseResult parsed) => new()
    {
        Architecture = parsed.GetValue(s_arch) is "any" ? null : parsed.GetValue(s_arch),
        Nvme = parsed.GetValue(s_nvme),
        Previous = parsed.GetValue(s_previous),
        Gpus = parsed.GetValue(s_gpu),
        BareMetal = parsed.GetValue(s_metal),
        Families = parsed.GetValue(s_family) ?? [],
    };

    private static async Task<InstanceTable> TableAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(s_offline))
        {
            return InstanceTable.Embedded();
        }

        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        return await LiveInstanceTable.ReadAsync(client, parsed.GetValue(s_types) is { Length: > 0 } named ? named : null, static why => System.Console.Error.WriteLine($"floe: using the embedded table of types: {why}"), cancellationToken).ConfigureAwait(false);
    }

    private static void Print(Plan plan, Measurements? measured, bool given, bool chart)
    {
        PlanText.Assumptions(plan, measured);
        if (plan.Types.Count == 0)
        {
            System.Console.WriteLine(plan.Considered == 0
                ? "No type of this kind is large enough for the task."
                : $"None of {plan.Considered} types can send that in time. Lower --memory, measure the compressibility of a real task (--measured), or admit --previous and --metal types.");
            return;
        }

        PlanText.Table(plan);
        if (given)
        {
            foreach (var estimate in plan.Types)
            {
                System.Console.WriteLine();
                PlanText.Explain(plan, estimate);
            }
        }
        else if (plan.Fitting > plan.Types.Count)
        {
            System.Console.WriteLine($"{plan.Fitting - plan.Types.Count} more fit of {plan.Considered} that were looked at; --top shows more.");
        }

        if (plan.Limits is { } limits)
        {
            System.Console.WriteLine();
            System.Console.WriteLine($"For nextflow.config, so that no task outgrows the notice on any of these types:");
            System.Console.WriteLine($"  process.resourceLimits = [memory: '{limits.MemoryGiB} GB', cpus: {limits.Cpus}]");
        }

        if (chart)
        {
            System.Console.WriteLine();
            System.Console.WriteLine(PlanChart.Draw(plan));
        }
    }

    private static string Csv(Plan plan)
    {
        var text = new StringBuilder("type,verdict,vcpus,memory_gib,baseline_gbps,gib_per_gbps,five_to_one,nvme_gb,tasks,resident_gib,usable_gbps,line_rate_seconds,everything_seconds,budget_seconds,spare_seconds,memory_that_fits_gib\n");
        foreach (var e in plan.Types)
        {
            text.AppendLine(string.Join(',',
                e.Type, e.Verdict, e.VirtualCpus, N(e.MemoryGiB), N(e.BaselineGbps), N(e.GiBPerGbps), e.FiveToOne ? "1" : "0", e.NvmeGB, e.Tasks, N(e.ResidentGiB), N(e.UsableGbps),
                N(e.LineRateSeconds), N(e.EverythingSeconds), N(e.BudgetSeconds), N(e.SpareSeconds), N(e.MemoryThatFitsGiB)));
        }

        return text.ToString();

        static string N(double value) => value.ToString("0.###", CultureInfo.InvariantCulture);
    }
}
