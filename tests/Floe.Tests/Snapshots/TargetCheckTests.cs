using Floe.Agent.Cpu;
using Floe.Agent.Snapshots;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class TargetCheckTests
{
    private static readonly Target s_here = new()
    {
        Cpu = new CpuFeatures("x86_64", "", "", []),
        CriuVersion = new Version(4, 2, 1),
        Capabilities = ["CAP_SYS_ADMIN"],
        KernelRelease = "6.1.102-111.182.amzn2023.x86_64",
        PidLimit = 4 << 20,
        FreeMemoryBytes = 100 << 20,
        MountDirectory = "/fusion",
    };

    [Fact]
    public void WhyNot_AllIsAsItWas_IsNull()
    {
        Assert.Null(TargetCheck.WhyNot(Of(("mount", "/fusion"), ("memoryBytes", "1000")), s_here));
        Assert.Empty(TargetCheck.Doubts(Of(("mount", "/fusion"), ("memoryBytes", "1000")), s_here));
    }

    [Theory]
    [InlineData("/fusion", null, "--mount /fusion")]
    [InlineData("/fusion", "/other", "--mount /fusion")]
    [InlineData("", "/fusion", "without --mount")]
    public void WhyNot_OtherMount_SaysWhichOption(string then, string? now, string said) =>
        Assert.Contains(said, TargetCheck.WhyNot(Of(("mount", then)), s_here with { MountDirectory = now }), StringComparison.Ordinal);

    [Fact]
    public void WhyNot_ManifestBeforeMountsWereTold_IsNull() => Assert.Null(TargetCheck.WhyNot(Of(), s_here));

    [Fact]
    public void WhyNot_PidIsBeyondTheLimitHere_SaysWhatToRaise()
    {
        var manifest = Of();
        manifest = manifest with { Task = manifest.Task with { HighestPid = 40_000 } };
        Assert.Contains("kernel.pid_max", TargetCheck.WhyNot(manifest, s_here with { PidLimit = 32_768 }), StringComparison.Ordinal);
        Assert.Null(TargetCheck.WhyNot(manifest, s_here));
    }

    [Fact]
    public void WhyNot_CapabilityIsMissing_NamesIt()
    {
        var manifest = Of();
        manifest = manifest with { Machine = manifest.Machine with { Capabilities = ["CAP_SYS_ADMIN", "CAP_SYS_TIME"] } };
        Assert.Contains("CAP_SYS_TIME", TargetCheck.WhyNot(manifest, s_here), StringComparison.Ordinal);
    }

    [Fact]
    public void Doubts_LessMemoryIsFree_OneAndNoRefusal()
    {
        var manifest = Of(("memoryBytes", "200000000"));
        Assert.Contains("190 MiB", Assert.Single(TargetCheck.Doubts(manifest, s_here)), StringComparison.Ordinal);
        Assert.Null(TargetCheck.WhyNot(manifest, s_here));
    }

    [Theory]
    [InlineData("6.18.1-arch1", 1)]
    [InlineData("6.1.0-37-amd64", 0)]
    [InlineData("5.10.0", 0)]
    [InlineData("", 0)]
    public void Doubts_KernelIsOlder_One(string release, int count)
    {
        var manifest = Of();
        Assert.Equal(count, TargetCheck.Doubts(manifest with { Machine = manifest.Machine with { KernelRelease = release } }, s_here).Count());
    }

    private static Manifest Of(params (string Name, string Value)[] options) => new()
    {
        FormatVersion = 1,
        Key = "task",
        Seq = 1,
        Generation = 1,
        Incarnation = "i",
        CreatedAt = default,
        OldestKept = 1,
        NextFrame = 1,
        Index = new IndexReference("i", 1, "", 1),
        Packs = [],
        Totals = new SnapshotTotals(),
        Task = SnapshotFixture.Facts with { Options = options.ToDictionary(o => o.Name, o => o.Value) },
        Machine = SnapshotFixture.Machine,
        Timings = new SnapshotTimings(),
    };
}
