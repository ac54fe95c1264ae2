using Floe.Operations.Instances;
using Floe.Operations.Planning;
using Floe.Operations.Tests.Trace;
using Xunit;

namespace Floe.Operations.Tests.Planning;

public sealed class PlannerTests
{
    private static readonly InstanceTable s_table = InstanceTable.Embedded();

    [Theory]
    [InlineData("c6i.8xlarge")]
    [InlineData("c6id.8xlarge")]
    public void Judge_PublishedExample_ComesOut(string type)
    {
        var estimate = Judge(type, new PlanRequest { TaskMemoryGiB = 64 });

        Assert.Equal((64, 12.5), (estimate.ResidentGiB, estimate.BaselineGbps));
        Assert.Equal(44, estimate.LineRateSeconds, 0.5);
        Assert.Equal(70, estimate.EverythingSeconds, 0.5);
        Assert.Equal(5.12, estimate.GiBPerGbps, 3);
        Assert.True(estimate.FiveToOne);
        Assert.Equal(Verdict.Fits, estimate.Verdict);
    }

    [Fact]
    public void Embedded_HasTheFactsItWasMadeFrom()
    {
        Assert.Equal(1395, s_table.Types.Count);
        Assert.Equal("embedded table of 2026-10-28", s_table.Origin);
        Assert.Equal(406, s_table.Types.Count(t => t.GiBPerGbps <= 5));
        Assert.Equal(207, s_table.Types.Count(t => t.GiBPerGbps <= 5 && t.Architectures.Contains("x86_64") && t.CurrentGeneration && !t.BareMetal));
        Assert.Equal(12.5, s_table.Find("c6in.2xlarge")!.BaselineGbps);
    }

    [Fact]
    public void Judge_UpToType_CountsWhatIsGuaranteed()
    {
        // "Up to 12.5 Gbps", of which 0.78 are there at any time.
        var estimate = Judge("c6i.large", new PlanRequest());
        Assert.Equal(0.781, estimate.BaselineGbps);
        Assert.Equal(1, estimate.ConnectionsNeeded);
    }

    [Fact]
    public void Judge_SmallTasks_CountsAllThatOneNoticeFreezes()
    {
        var packed = Judge("c6i.8xlarge", new PlanRequest { TaskMemoryGiB = 16 });
        Assert.Equal((3, 48), (packed.Tasks, packed.ResidentGiB));
        var alone = Judge("c6i.8xlarge", new PlanRequest { TaskMemoryGiB = 16, Alone = true });
        Assert.Equal((1, 16), (alone.Tasks, alone.ResidentGiB));
        Assert.Equal(packed.EverythingSeconds / 3, alone.EverythingSeconds, 6);
        var byCpus = Judge("c6i.8xlarge", new PlanRequest { TaskMemoryGiB = 16, TaskCpus = 16 });
        Assert.Equal(2, byCpus.Tasks);
    }

    [Fact]
    public void Judge_OneConnection_GetsFiveGbps()
    {
        var estimate = Judge("c6i.8xlarge", new PlanRequest { Connections = 1, Efficiency = 1 });
        Assert.Equal(5, estimate.UsableGbps);
        Assert.Equal(64 * Planner.GigabitsPerGiB / 5, estimate.EverythingSeconds, 6);
        Assert.Equal(3, estimate.ConnectionsNeeded);
    }

    [Fact]
    public void Judge_TooMuchToSend_DoesNotFit()
    {
        var estimate = Judge("r6i.8xlarge", new PlanRequest());
        Assert.Equal(Verdict.DoesNotFit, estimate.Verdict);
        Assert.True(estimate.EverythingSeconds > estimate.BudgetSeconds);
        Assert.Equal(estimate.BudgetSeconds - estimate.EverythingSeconds, estimate.SpareSeconds);
        Assert.InRange(estimate.MemoryThatFitsGiB, 80, 100);
        Assert.Equal(estimate.BudgetSeconds, Judge("r6i.8xlarge", new PlanRequest { TaskMemoryGiB = estimate.MemoryThatFitsGiB, Alone = true }).EverythingSeconds, 6);
    }

    [Fact]
    public void Judge_SlowTypeFullOfMemory_IsNotCountedAsFitting()
    {
        // 128 GiB over the 5 Gbps that are guaranteed of "up to 10": the machine is gone with most of them still there.
        var plan = Planner.Judge(s_table, ["r5.4xlarge", "c6i.8xlarge"], new PlanRequest());
        Assert.Equal([Verdict.DoesNotFit, Verdict.Fits], plan.Types.Select(e => e.Verdict));
        Assert.Equal(1, plan.Fitting);
        Assert.InRange(plan.Types[0].EverythingSeconds, 340, 360);
    }

    [Fact]
    public void Rank_Everything_ShowsOnlyTypesThatSendAllInTime() =>
        Assert.All(Planner.Rank(s_table, new TypeFilter { Previous = true, Gpus = true, BareMetal = true }, new PlanRequest(), 5000).Types, e => Assert.True(e.Verdict == Verdict.Fits && e.SpareSeconds >= 0, e.Type));

    [Fact]
    public void Judge_Compressible_IsFasterButNotThanItsProcessors()
    {
        var worst = Judge("c6i.8xlarge", new PlanRequest()).EverythingSeconds;
        Assert.Equal(worst / 2, Judge("c6i.8xlarge", new PlanRequest { Compressibility = 2 }).EverythingSeconds, 6);

        // Two processors compress 0.7 GB/s at most; the link alone would take a hundred times as much memory.
        var small = Judge("c6in.large", new PlanRequest { Compressibility = 100 });
        Assert.Equal(small.ResidentGiB / (2 * Planner.CompressGBPerCpu * 1e9 / (1 << 30)), small.EverythingSeconds, 6);
    }

    [Fact]
    public void Judge_TaskLargerThanTheMachine_IsTooSmall() =>
        Assert.Equal(Verdict.TooSmall, Judge("c6i.large", new PlanRequest { TaskMemoryGiB = 8 }).Verdict);

    [Fact]
    public void Judge_ShorterNotice_FitsLess()
    {
        Assert.Equal(Verdict.Fits, Judge("c6i.8xlarge", new PlanRequest()).Verdict);
        Assert.NotEqual(Verdict.Fits, Judge("c6i.8xlarge", new PlanRequest { NoticeSeconds = 30 }).Verdict);
    }

    [Fact]
    public void Judge_UnknownType_NamesItsFamily()
    {
        var e = Assert.Throws<KeyNotFoundException>(() => Planner.Judge(s_table, ["c6i.7xlarge"], new PlanRequest()));
        Assert.Contains("c6i.8xlarge", e.Message, StringComparison.Ordinal);
        Assert.Contains("2026-10-28", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Rank_TaskGiven_BestIsWhatWastesLeastAndAllFit()
    {
        var plan = Planner.Rank(s_table, new TypeFilter { Nvme = true }, new PlanRequest { TaskMemoryGiB = 30, TaskCpus = 8 }, 50);
        Assert.All(plan.Types, e => Assert.True(e is { Verdict: Verdict.Fits, NvmeGB: > 0, Spot: true, VirtualCpus: >= 8, SpareSeconds: >= 0 }));
        Assert.Equal(32, plan.Types[0].MemoryGiB);
        Assert.DoesNotContain(plan.Types, e => e.Type.StartsWith("trn", StringComparison.Ordinal) || e.Type.StartsWith("g6", StringComparison.Ordinal));
        Assert.Equal(new ResourceLimits(30, 8), plan.Limits);
    }

    [Fact]
    public void Rank_Families_KeepsToThem()
    {
        var plan = Planner.Rank(s_table, new TypeFilter { Families = ["c6id."] }, new PlanRequest(), 50);
        Assert.NotEmpty(plan.Types);
        Assert.All(plan.Types, e => Assert.StartsWith("c6id.", e.Type, StringComparison.Ordinal));
    }

    [Fact]
    public void Measurements_OfSnapshots_AreRatioAndSize()
    {
        var trace = Traces.Survivor("k");
        var first = Traces.Snapshot(1, Traces.Start.AddMinutes(1), null);
        var later = Traces.Snapshot(2, Traces.Start.AddMinutes(2), null) with { NewBytes = 600L << 20, DedupBytes = 57_000_000_000, StoredBytes = 1 << 20 };
        var measured = Measurements.Of([trace with { Attempts = [trace.Attempts[0] with { Snapshots = [first, later, new() { Error = "no" }] }] }])!;
        Assert.Equal(2, measured.Snapshots);
        Assert.Equal(58.0 / 12, measured.Compressibility, 6);
        Assert.Equal(58_000_000_000 / (double)(1 << 30), measured.MemoryGiB, 6);
    }

    [Theory]
    [InlineData("c6i.8xlarge", true)]
    [InlineData("u-6tb1.112xlarge", true)]
    [InlineData("c6i", false)]
    [InlineData("c6i.", false)]
    [InlineData(".large", false)]
    [InlineData("c6i.8xlarge; rm", false)]
    [InlineData("C6I.LARGE", false)]
    public void IsName_Text_IsOneOrNot(string text, bool isName) => Assert.Equal(isName, InstanceType.IsName(text));

    private static Estimate Judge(string type, PlanRequest request) => Assert.Single(Planner.Judge(s_table, [type], request).Types);
}
