using System.Globalization;
using Floe.Operations.Planning;

namespace Floe.Cli.Console;

/// <summary>A plan as people read it, with nothing left to be guessed.</summary>
internal static class PlanText
{
    public static void Assumptions(Plan plan, Measurements? measured)
    {
        var r = plan.Assumptions;
        Line($"Types: {plan.Source}. Notice {r.NoticeSeconds:0} s, less {r.Margin * 100:0} % margin and {r.OverheadSeconds:0} s to see it, freeze and commit: {plan.BudgetSeconds:0} s for the bytes.");
        Line($"Rate: guaranteed bandwidth x {r.Efficiency * 100:0} %, up to {r.Connections} connections of 5 Gbps; {r.Compressibility:0.#} byte{(r.Compressibility == 1 ? "" : "s")} of memory for each byte sent{(measured is null ? r.Compressibility == 1 ? " (worst case)" : "" : $" (measured on {measured.Snapshots} snapshots)")}. Nothing is sent before the notice.");
        System.Console.WriteLine();
    }

    public static void Table(Plan plan)
    {
        var table = new Table("TYPE", ">VCPU", ">MEMORY", ">GUARANTEED", ">GIB:GBPS", ">TASKS", ">LINE RATE", ">EVERYTHING", ">SPARE", ">NVME", "VERDICT");
        foreach (var e in plan.Types)
        {
            table.Row(e.Type, $"{e.VirtualCpus}", $"{N(e.MemoryGiB)} GiB", $"{N(e.BaselineGbps)} Gbps", N(e.GiBPerGbps, "0.00"), $"{e.Tasks}", Seconds(e.LineRateSeconds), Seconds(e.EverythingSeconds),
                Seconds(e.SpareSeconds), e.NvmeGB > 0 ? $"{e.NvmeGB} GB" : "-", Word(e.Verdict));
        }

        table.Print();
    }

    public static void Explain(Plan plan, Estimate e)
    {
        var r = plan.Assumptions;
        Line($"{e.Type}: {Word(e.Verdict)}{(e.Spot ? "" : "; not to be had as Spot")}");
        if (e.Verdict == Verdict.TooSmall)
        {
            Line($"  a task of {N(e.ResidentGiB)} GiB{(r.TaskCpus > 0 ? $" and {r.TaskCpus} processors" : "")} does not fit into {N(e.MemoryGiB)} GiB and {e.VirtualCpus} processors");
            return;
        }

        Line($"  memory      {N(e.ResidentGiB)} GiB in {e.Tasks} task{(e.Tasks == 1 ? "" : "s")} frozen by one notice = {N(e.ResidentGiB * Planner.GigabitsPerGiB, "0")} gigabit");
        Line($"  bandwidth   {N(e.BaselineGbps)} Gbps guaranteed; one connection carries {N(e.PerFlowGbps)} at most, so {e.ConnectionsNeeded} or more are needed; x {r.Efficiency * 100:0} % = {N(e.UsableGbps)} Gbps");
        Line($"  ratio       {N(e.MemoryGiB)} GiB : {N(e.BaselineGbps)} Gbps = {N(e.GiBPerGbps, "0.00")}{Rule(e)}");
        Line($"  line rate   {Seconds(e.LineRateSeconds)}, were nothing lost");
        Line($"  everything  {Seconds(e.EverythingSeconds)} of {Seconds(e.BudgetSeconds)}");
        Line($"  fits        up to {N(Math.Floor(e.MemoryThatFitsGiB))} GiB of tasks on the machine{(e.MemoryThatFitsGiB >= e.MemoryGiB ? ", all it has" : $": process.resourceLimits = [memory: '{Math.Floor(e.MemoryThatFitsGiB):0} GB']")}");
    }

    private static string Rule(Estimate e) => e switch
    {
        { GiBPerGbps: <= 5 } => ", within the rule of 5:1",
        { FiveToOne: true } => ", which the rule of 5:1 lets pass: memory is sold in powers of two, bandwidth in steps of 12.5, and 64 : 12.5 is 5.12",
        _ => ", beyond the rule of 5:1",
    };

    private static string Word(Verdict verdict) => verdict switch
    {
        Verdict.Fits => "fits",
        Verdict.TooSmall => "too small for the task",
        _ => "does not fit",
    };

    private static string Seconds(double seconds) => double.IsFinite(seconds) ? $"{N(seconds, Math.Abs(seconds) < 10 ? "0.0" : "0")} s" : "never";

    private static string N(double value, string format = "0.##") => value.ToString(format, CultureInfo.InvariantCulture);

    private static void Line(FormattableString text) => System.Console.WriteLine(text.ToString(CultureInfo.InvariantCulture));

    private static void Line(string text) => System.Console.WriteLine(text);
}
