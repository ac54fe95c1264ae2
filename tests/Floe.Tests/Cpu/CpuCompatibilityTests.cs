using Floe.Agent.Cpu;
using Xunit;

namespace Floe.Tests.Cpu;

public sealed class CpuCompatibilityTests
{
    private static readonly string[] V3 = [.. CpuBaseline.X86V3.Features];

    private static CpuFeatures Cpu(string model, params string[] flags) => new("x86_64", "GenuineIntel", model, flags, 2696, 2696);

    [Fact]
    public void Check_RicherMachine_IsCompatible() =>
        Assert.True(CpuCompatibility.Check(Cpu("old", V3), null, Cpu("new", [.. V3, "avx512f", "amx_tile"])).IsCompatible);

    [Fact]
    public void Check_WeakerMachine_NamesWhatIsMissing()
    {
        var verdict = CpuCompatibility.Check(Cpu("new", [.. V3, "avx512f", "vaes"]), null, Cpu("old", V3));

        Assert.Equal(["avx512f", "vaes"], verdict.Missing);
        Assert.Contains("old", verdict.Message, StringComparison.Ordinal);
        Assert.Contains("avx512f, vaes", verdict.Message, StringComparison.Ordinal);
        Assert.Contains("--cpu-baseline=x86-64-v3", verdict.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("arat")]
    [InlineData("smep")]
    [InlineData("tsc_adjust")]
    [InlineData("hypervisor")]
    public void Check_KernelsOwnFlagMissing_IsCompatible(string flag) =>
        Assert.True(CpuCompatibility.Check(Cpu("a", [.. V3, flag]), null, Cpu("b", V3)).IsCompatible);

    [Fact]
    public void Check_OtherStateSize_IsRefusedWithoutABaseline()
    {
        var verdict = CpuCompatibility.Check(Cpu("small", V3) with { XsaveBytes = 832 }, null, Cpu("large", [.. V3, "avx512f"]));

        Assert.Empty(verdict.Missing);
        Assert.Contains("832", verdict.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_StateSizeNotRecorded_IsCompatible() =>
        Assert.True(CpuCompatibility.Check(Cpu("a", V3) with { XsaveBytes = 0, XsaveMaxBytes = 0 }, null, Cpu("b", V3)).IsCompatible);

    [Fact]
    public void Check_Baseline_OnlyTheBaselineIsNeeded()
    {
        var recorded = Cpu("new", [.. CpuBaseline.X86V4.Features, "avx512_vnni", "sha_ni", "sse4a"]);
        var here = Cpu("old", V3) with { XsaveBytes = 832, XsaveMaxBytes = 832 };

        Assert.True(CpuCompatibility.Check(recorded, CpuBaseline.X86V3, here).IsCompatible);
        Assert.Equal(["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"], CpuCompatibility.Check(recorded, CpuBaseline.X86V4, here).Missing);
    }

    [Theory]
    [InlineData("aes")]
    [InlineData("rtm")]
    public void Check_BaselineButAFeatureThatNothingMasks_IsRefused(string flag) =>
        Assert.Equal([flag], CpuCompatibility.Check(Cpu("a", [.. V3, flag]), CpuBaseline.X86V3, Cpu("b", V3)).Missing);

    [Fact]
    public void Check_OtherArchitecture_IsRefused()
    {
        var arm = new CpuFeatures("aarch64", "0x41", "0xd40", ["fp"]);

        Assert.Contains("aarch64", CpuCompatibility.Check(Cpu("a", V3), CpuBaseline.X86V2, arm).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Check_Arm64_EveryFeatureCountsButTheEventStream()
    {
        var graviton3 = new CpuFeatures("aarch64", "0x41", "0xd40", ["asimd", "evtstrm", "fp", "sve"]);
        var graviton2 = new CpuFeatures("aarch64", "0x41", "0xd0c", ["asimd", "fp"]);

        Assert.Equal(["sve"], CpuCompatibility.Check(graviton3, null, graviton2).Missing);
        Assert.True(CpuCompatibility.Check(graviton2 with { Flags = ["asimd", "evtstrm", "fp"] }, null, graviton2).IsCompatible);
    }

    [Fact]
    public void Check_ThisMachineWithItself_IsCompatible()
    {
        var here = CpuFeatures.Read();

        Assert.True(CpuCompatibility.Check(here, null, here).IsCompatible);
    }
}
