using System.Runtime.InteropServices;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>What a snapshot knows of the CPU that its task began on. There is one CPU here; what another one lacks is written into the manifest.</summary>
public sealed class CpuTests
{
    // A kind of Xeon Phi has it, and nothing else.
    private const string Foreign = "avx512_4fmaps";

    [Fact]
    public async Task Run_CpuLacksWhatTheTaskMayUse_Status176BeforeContentIsReadAndAllIsKept()
    {
        const string script = Fleet.Gate + "echo started; gate /run/go; echo end";
        SkipUnlessX64();
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script);
        await Fleet.UntilPrintedAsync(run, "started\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();
        var manifest = fleet.Manifest(Assert.Single(fleet.Snapshots()));
        var original = await File.ReadAllBytesAsync(manifest, Fleet.Token);
        await RanOnForeignCpuAsync(manifest);

        // What is not there cannot have been read.
        var away = fleet.Packs().Concat(Directory.GetFiles(Path.GetDirectoryName(manifest)!, "*.index")).ToList();
        Assert.True(away.Count >= 2);
        away.ForEach(path => File.Move(path, path + ".away"));

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var refused = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script));
        Fleet.AssertStatus(176, refused);
        Assert.Empty(refused.Text);
        Assert.Contains($"lacks {Foreign}: ", refused.Errors.TrimEnd('\n').Split('\n')[^1], StringComparison.Ordinal);

        away.ForEach(path => File.Move(path + ".away", path));
        await File.WriteAllBytesAsync(manifest, original, Fleet.Token);
        var second = await Fleet.EndAsync(await fleet.RunScriptAsync(b, script, "--lease-wait", "0"));
        Fleet.AssertStatus(0, second);
        Assert.Equal("end\n", second.Text);
    }

    /// <summary>Programs that have chosen their instructions, and one that chooses them after the move: all of them stay at the level.</summary>
    [Fact]
    public async Task Run_CpuBaseline_MovesToACpuOfTheLevelAndNothingUsesMore()
    {
        const string program = """
            import os, subprocess, time, numpy
            def show():
                umath = (getattr(numpy, '_core', None) or numpy.core)._multiarray_umath
                above = 'AVX F16C FMA3 AVX2 AVX512F AVX512_SKX AVX512_ICL X86_V3 X86_V4'.split()
                print([name for name in umath.__cpu_dispatch__ if name in above and umath.__cpu_features__[name]], flush=True)
            matrix = numpy.random.default_rng(1).random((300, 300))
            product = matrix @ matrix
            show()
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            show()
            print((matrix @ matrix == product).all(), flush=True)
            flags = subprocess.run(['java', '-XX:+PrintFlagsFinal', '-version'], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True, text=True).stdout
            print([line.split()[3] for line in flags.splitlines() if ' UseAVX ' in line])
            """;
        SkipUnlessX64();
        await using var fleet = new Fleet();
        Task<MachineProcess> RunAsync(Machine machine, params string[] options) =>
            fleet.RunAsync(machine, ["--cpu-baseline", "x86-64-v2", .. options], "/usr/bin/python3", "-c", program);
        var a = await fleet.MachineAsync("machine-a");
        var run = await RunAsync(a);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        var first = await fleet.TakeAwayAsync(a, run);
        Assert.Equal("[]\nready\n", first.Text);
        Assert.DoesNotContain("Warning", first.Errors, StringComparison.Ordinal);
        await a.DestroyAsync();
        var manifest = fleet.Manifest(Assert.Single(fleet.Snapshots()));
        Assert.Contains("\"cpuBaseline\":\"x86-64-v2\"", await File.ReadAllTextAsync(manifest, Fleet.Token), StringComparison.Ordinal);
        await RanOnForeignCpuAsync(manifest);

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await RunAsync(b));
        Fleet.AssertStatus(0, second);
        Assert.Contains("Restored snapshot", second.Errors, StringComparison.Ordinal);
        Assert.Equal("[]\nTrue\n['0']\n", second.Text);
    }

    private static void SkipUnlessX64() => Assert.SkipUnless(RuntimeInformation.ProcessArchitecture == Architecture.X64, "needs x86-64");

    private static Task RanOnForeignCpuAsync(string manifest) => Fleet.RewriteAsync(manifest, "\"cpuFeatures\":[", $"\"cpuFeatures\":[\"{Foreign}\",");
}
