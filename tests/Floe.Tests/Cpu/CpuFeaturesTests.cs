using Floe.Agent.Cpu;
using Xunit;

namespace Floe.Tests.Cpu;

public sealed class CpuFeaturesTests
{
    [Fact]
    public void Parse_ProcessorsDiffer_GivesWhatAllHave()
    {
        const string Text = """
            processor	: 0
            vendor_id	: GenuineIntel
            model name	: Test: CPU
            flags		: fpu sse2 avx2 avx512f
            vmx flags	: vnmi

            processor	: 1
            vendor_id	: GenuineIntel
            flags		: fpu avx2 sse2 popcnt
            """;

        var features = CpuFeatures.Parse(new StringReader(Text), "x86_64");

        Assert.Equal(("x86_64", "GenuineIntel", "Test: CPU"), (features.Architecture, features.Vendor, features.Model));
        Assert.Equal(["avx2", "fpu", "sse2"], features.Flags);
    }

    [Fact]
    public void Parse_Arm64_ReadsFeaturesAndPart()
    {
        const string Text = """
            processor	: 0
            Features	: fp asimd evtstrm atomics sve
            CPU implementer	: 0x41
            CPU part	: 0xd40
            """;

        var features = CpuFeatures.Parse(new StringReader(Text), "aarch64");

        Assert.Equal(("0x41", "0xd40"), (features.Vendor, features.Model));
        Assert.Equal(["asimd", "atomics", "evtstrm", "fp", "sve"], features.Flags);
    }

    [Fact]
    public void Parse_Garbage_IsEmptyNotAnError() => Assert.Empty(CpuFeatures.Parse(new StringReader("x\n:\nflags\n"), "x86_64").Flags);

    [Fact]
    public void Read_ThisMachine_KnowsItsArchitectureAndFlags()
    {
        var here = CpuFeatures.Read();

        Assert.Contains(here.Architecture, new[] { "x86_64", "aarch64" });
        Assert.Contains(here.Architecture == "x86_64" ? "sse2" : "asimd", here.Flags);
        // The legacy area and header alone are 576 bytes.
        Assert.Equal(here.Flags.Contains("xsave"), here.XsaveBytes >= 576);
        Assert.True(here.XsaveMaxBytes >= here.XsaveBytes);
    }
}
