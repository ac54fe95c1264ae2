using System.Globalization;
using System.Text;
using Floe.Agent.Cpu;
using Floe.Linux.Processes;
using Xunit;

namespace Floe.Tests.Cpu;

/// <summary>What the real loader and the real OpenSSL make of the environment, on whatever CPU this is.</summary>
public sealed class BaselineOnThisMachineTests
{
    private const string Loader = "/lib64/ld-linux-x86-64.so.2";

    private static async Task<string> RunAsync(CpuBaseline? baseline, string path, params string[] arguments) => (await RunToEndAsync(baseline, path, arguments)).Output;

    private static async Task<(string Output, string Errors)> RunToEndAsync(CpuBaseline? baseline, string path, params string[] arguments)
    {
        var errors = Path.GetTempFileName();
        var output = Path.GetTempFileName();
        try
        {
            using var file = File.OpenHandle(output, FileMode.Create, FileAccess.Write);
            using var errorFile = File.OpenHandle(errors, FileMode.Create, FileAccess.Write);
            using var none = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
            var child = ChildProcess.Start(new ChildProcessOptions
            {
                Path = Encoding.UTF8.GetBytes(path),
                Arguments = [.. arguments.Prepend(path).Select(Encoding.UTF8.GetBytes)],
                Environment = TaskEnvironment.Compose(["PATH=/usr/bin:/bin"u8.ToArray()], baseline),
                Descriptors = [(none, 0), (file, 1), (errorFile, 2)],
            });
            Assert.True((await child.Exited).Success);
            return (await File.ReadAllTextAsync(output), await File.ReadAllTextAsync(errors));
        }
        finally
        {
            File.Delete(output);
            File.Delete(errors);
        }
    }

    // "  x86-64-v3 (supported, searched)" in the list of glibc-hwcaps directories; glibc before 2.33 prints no such list.
    private static int HighestLevel(string help) => new[] { 4, 3, 2 }.FirstOrDefault(
        level => help.Split('\n').Any(line => line.Contains($"x86-64-v{level} (supported", StringComparison.Ordinal)), 1);

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task Loader_UnderABaseline_SeesNoHigherLevel(int level)
    {
        Assert.SkipUnless(File.Exists(Loader), "needs glibc on x86-64");
        var bare = await RunAsync(null, Loader, "--help");
        Assert.SkipUnless(bare.Contains("glibc-hwcaps", StringComparison.Ordinal), "needs glibc 2.33");
        var baseline = new[] { CpuBaseline.X86V2, CpuBaseline.X86V3, CpuBaseline.X86V4 }.Single(candidate => candidate.Level == level);

        var masked = HighestLevel(await RunAsync(baseline, Loader, "--help"));

        // On a machine above the level this proves the mask, on one below that nothing is lost.
        Assert.Equal(Math.Min(HighestLevel(bare), level), masked);
    }

    [Theory]
    [InlineData(2, 0x600_f023_0128UL)]
    [InlineData(3, 0x600_f023_0000UL)]
    public async Task OpenSsl_UnderABaseline_SeesNoHigherBits(int level, ulong forbidden)
    {
        const string OpenSsl = "/usr/bin/openssl";
        Assert.SkipUnless(File.Exists(Loader) && File.Exists(OpenSsl), "needs openssl on x86-64");
        var text = await RunAsync(level == 2 ? CpuBaseline.X86V2 : CpuBaseline.X86V3, OpenSsl, "version", "-c");
        Assert.SkipUnless(text.Contains("OPENSSL_ia32cap=", StringComparison.Ordinal), "needs OpenSSL 3");

        // CPUINFO: OPENSSL_ia32cap=0x…:0x… env:…
        var words = text.Split("OPENSSL_ia32cap=")[1].Split(' ')[0].Split(':');
        var leaf1 = ulong.Parse(words[0].Trim()[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        var leaf7 = ulong.Parse(words[1].Trim()[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture);

        Assert.Equal(0UL, leaf7 & forbidden);
        if (level == 2)
        {
            // AVX
            Assert.Equal(0UL, leaf1 & (1UL << 60));
        }
    }

    /// <summary>What no machine of the level has is off, what the level has is on where this machine has it, and NumPy says nothing about it on stderr.</summary>
    [Theory]
    [InlineData(2, "SSE42", "AVX FMA3 AVX2 AVX512F AVX512_SKX AVX512_ICL X86_V3 X86_V4")]
    [InlineData(3, "AVX2 FMA3 X86_V3", "X86_V4 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL")]
    [InlineData(4, "AVX512_SKX X86_V4", "AVX512_CLX AVX512_CNL AVX512_ICL")]
    public async Task Numpy_UnderABaseline_SeesNoHigherFeaturesAndSaysNothing(int level, string kept, string masked)
    {
        const string Python = "/usr/bin/python3";
        const string Program = """
            try:
                import numpy
            except ModuleNotFoundError:
                print('none')
            else:
                umath = (getattr(numpy, '_core', None) or numpy.core)._multiarray_umath
                print(*(name for name in umath.__cpu_baseline__ + umath.__cpu_dispatch__ if umath.__cpu_features__[name]))
            """;
        Assert.SkipUnless(File.Exists(Loader) && File.Exists(Python), "needs Python on x86-64");
        var bare = (await RunAsync(null, Python, "-c", Program)).Split();
        Assert.SkipWhen(bare[0] == "none", "needs python3-numpy");

        var (output, errors) = await RunToEndAsync(new[] { CpuBaseline.X86V2, CpuBaseline.X86V3, CpuBaseline.X86V4 }.Single(candidate => candidate.Level == level), Python, "-c", Program);

        Assert.Equal("", errors);
        Assert.Empty(output.Split().Intersect(masked.Split(' ')));
        Assert.Equal(bare.Intersect(kept.Split(' ')), output.Split().Intersect(kept.Split(' ')));
    }
}
