using Floe.Agent.Cpu;
using Xunit;

namespace Floe.Tests.Cpu;

public sealed class BaselineEnvironmentTests
{
    private static IReadOnlyDictionary<string, string> For(CpuBaseline baseline, params (string Name, string Value)[] existing) =>
        BaselineEnvironment.For(baseline, existing.ToDictionary(variable => variable.Name, variable => variable.Value));

    [Fact]
    public void For_V3_MasksWhatTheMoveWasProvenWith()
    {
        var environment = For(CpuBaseline.X86V3);

        Assert.StartsWith("glibc.cpu.hwcaps=-XSAVEC,-AVX512F,-AVX512VL,-AVX512BW,-AVX512CD,-AVX512DQ,-AVX512ER", environment["GLIBC_TUNABLES"], StringComparison.Ordinal);
        Assert.Equal(0x600f0230000UL, Convert.ToUInt64(environment["OPENSSL_ia32cap"][2..], 16) & 0x600f0230000UL);
        Assert.Equal("1", environment["LD_BIND_NOW"]);
    }

    [Theory]
    [InlineData("glibc.malloc.arena_max=2", "glibc.malloc.arena_max=2:glibc.cpu.hwcaps=-XSAVEC,")]
    [InlineData("glibc.cpu.hwcaps=-ERMS:glibc.malloc.check=1", "glibc.cpu.hwcaps=-ERMS,-XSAVEC,")]
    [InlineData("glibc.cpu.hwcaps=", "glibc.cpu.hwcaps=-XSAVEC,")]
    public void For_TunablesOfTheUser_AreKept(string existing, string start)
    {
        var value = For(CpuBaseline.X86V3, ("GLIBC_TUNABLES", existing))["GLIBC_TUNABLES"];

        Assert.StartsWith(start, value, StringComparison.Ordinal);
        Assert.Equal(1, value.Split(':').Count(tunable => tunable.StartsWith("glibc.cpu.hwcaps=", StringComparison.Ordinal)));
        Assert.All(existing.Split(':').Where(tunable => tunable.Contains("malloc", StringComparison.Ordinal)), tunable => Assert.Contains(tunable, value, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(null, 0x10UL, 0x20UL, "~0x10:~0x20")]
    [InlineData(null, 0UL, 0x20UL, ":~0x20")]
    [InlineData("~0x1", 0UL, 0x20UL, "~0x1:~0x20")]
    [InlineData("~0x1:~0x2", 0x10UL, 0x20UL, "~0x11:~0x22")]
    [InlineData("0xff:0xff", 0x10UL, 0x20UL, "0xef:0xdf")]
    [InlineData("255", 0x10UL, 0UL, "0xef:")]
    [InlineData(":~0x2:0", 0UL, 0x20UL, ":~0x22:0")]
    public void OpenSslMask_UsersValue_IsAddedTo(string? existing, ulong leaf1, ulong leaf7, string expected) =>
        Assert.Equal(expected, OpenSslMask.Combine(existing, leaf1, leaf7));

    [Theory]
    [InlineData("what")]
    [InlineData("~0xzz")]
    [InlineData("1:2x")]
    public void OpenSslMask_UnreadableValue_IsLeftAlone(string existing) => Assert.Null(OpenSslMask.Combine(existing, 1, 1));

    [Fact]
    public void For_ChoicesOfTheUser_AreNotOverruled()
    {
        var environment = For(CpuBaseline.X86V2, ("OPENBLAS_CORETYPE", "Prescott"), ("JAVA_TOOL_OPTIONS", "-Xmx1g"), ("GODEBUG", "http2client=0"));

        Assert.False(environment.ContainsKey("OPENBLAS_CORETYPE"));
        Assert.StartsWith("-Xmx1g -XX:+IgnoreUnrecognizedVMOptions -XX:UseAVX=0", environment["JAVA_TOOL_OPTIONS"], StringComparison.Ordinal);
        Assert.StartsWith("http2client=0,cpu.avx=off", environment["GODEBUG"], StringComparison.Ordinal);
    }

    /// <summary>NumPy that finds both lists cannot be imported.</summary>
    [Fact]
    public void For_NumpyFeaturesTheUserEnables_OnlyThoseOfTheBaselineAre()
    {
        var environment = For(CpuBaseline.X86V3, ("NPY_ENABLE_CPU_FEATURES", "AVX2,AVX512F FMA3"));

        Assert.Equal("AVX2 FMA3", environment["NPY_ENABLE_CPU_FEATURES"]);
        Assert.False(environment.ContainsKey("NPY_DISABLE_CPU_FEATURES"));
        Assert.False(environment.ContainsKey("PYTHONWARNINGS"));
    }

    [Fact]
    public void For_NumpyFeaturesTheUserEnables_WithoutOneOfTheBaselineTheRestIsDisabled()
    {
        var environment = For(CpuBaseline.X86V2, ("NPY_ENABLE_CPU_FEATURES", "AVX512F"));

        Assert.Equal("", environment["NPY_ENABLE_CPU_FEATURES"]);
        Assert.Contains("AVX512F", environment["NPY_DISABLE_CPU_FEATURES"].Split(' '));
    }

    [Fact]
    public void For_ListsOfTheUser_AreAddedToAndNothingIsSaidTwice()
    {
        var environment = For(CpuBaseline.X86V3, ("NPY_DISABLE_CPU_FEATURES", "AVX512F AVX2"), ("PYTHONWARNINGS", "error"));

        Assert.StartsWith("AVX512F AVX2 AVX512_CNL ", environment["NPY_DISABLE_CPU_FEATURES"], StringComparison.Ordinal);
        Assert.Single(environment["NPY_DISABLE_CPU_FEATURES"].Split(' '), "AVX512F");
        Assert.Equal("error,ignore:During parsing environment variable", environment["PYTHONWARNINGS"]);
    }

    [Fact]
    public void For_V4_LeavesGlibcAlone()
    {
        var environment = For(CpuBaseline.X86V4);

        Assert.False(environment.ContainsKey("GLIBC_TUNABLES"));
        Assert.False(environment.ContainsKey("DOTNET_EnableAVX512"));
        Assert.Equal("SkylakeX", environment["OPENBLAS_CORETYPE"]);
    }
}
