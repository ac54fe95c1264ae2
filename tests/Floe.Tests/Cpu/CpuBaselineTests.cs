using Floe.Agent.Cpu;
using Xunit;

namespace Floe.Tests.Cpu;

public sealed class CpuBaselineTests
{
    [Theory]
    [InlineData("x86-64-v2", 2)]
    [InlineData("x86-64-v3", 3)]
    [InlineData("x86-64-v4", 4)]
    public void TryParse_Level_IsFound(string text, int level)
    {
        Assert.Equal(level, CpuBaseline.TryParse(text, out var error)?.Level);
        Assert.Null(error);
    }

    [Theory]
    [InlineData("v3")]
    [InlineData("x86-64-v5")]
    [InlineData("")]
    public void TryParse_Other_SaysWhatToWrite(string text)
    {
        Assert.Null(CpuBaseline.TryParse(text, out var error));
        Assert.Contains("x86-64-v3", error, StringComparison.Ordinal);
    }

    [Fact]
    public void Features_EachLevel_HoldsTheOneBelow()
    {
        Assert.Subset(CpuBaseline.X86V3.Features.ToHashSet(), CpuBaseline.X86V2.Features.ToHashSet());
        Assert.Subset(CpuBaseline.X86V4.Features.ToHashSet(), CpuBaseline.X86V3.Features.ToHashSet());
    }

    [Fact]
    public void WhyNotOn_WeakerMachine_NamesWhatIsMissing()
    {
        var nehalem = new CpuFeatures("x86_64", "GenuineIntel", "Nehalem", CpuBaseline.X86V2.Features);

        Assert.Null(CpuBaseline.X86V2.WhyNotOn(nehalem));
        Assert.Contains("avx2", CpuBaseline.X86V3.WhyNotOn(nehalem), StringComparison.Ordinal);
        Assert.Contains("aarch64", CpuBaseline.X86V3.WhyNotOn(nehalem with { Architecture = "aarch64" }), StringComparison.Ordinal);
    }
}
