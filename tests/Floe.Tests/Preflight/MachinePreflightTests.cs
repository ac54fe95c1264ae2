using Floe.Agent.Cpu;
using Floe.Agent.Preflight;
using Floe.Aws;
using Floe.Testing.Imds;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.Preflight;

public sealed class MachinePreflightTests : IDisposable
{
    private readonly ProcFixture proc = new();

    public void Dispose() => proc.Dispose();

    private async Task<CheckResult> OneAsync(string name, Func<PreflightOptions, PreflightOptions>? change = null)
    {
        var options = new PreflightOptions { StateDirectory = "/nowhere/floe", ProcRoot = proc.Root };
        var results = await MachinePreflight.RunAsync(change?.Invoke(options) ?? options, default);
        return Assert.Single(results, result => result.Name == name);
    }

    private void SetKernel(string release)
    {
        Directory.CreateDirectory(Path.Combine(proc.Root, "sys/kernel"));
        File.WriteAllText(Path.Combine(proc.Root, "sys/kernel/osrelease"), release + "\n");
    }

    [Theory]
    [InlineData("6.1.102-111.182.amzn2023.x86_64", CheckStatus.Pass)]
    [InlineData("5.6.0", CheckStatus.Pass)]
    [InlineData("5.4.0-190-generic", CheckStatus.Fail)]
    [InlineData("garbage", CheckStatus.Fail)]
    public async Task Run_Kernel_OldOnesFail(string release, CheckStatus expected)
    {
        SetKernel(release);

        Assert.Equal(expected, (await OneAsync("kernel")).Status);
    }

    [Theory]
    [InlineData("CAP_SYS_ADMIN", 21, CheckStatus.Fail)]
    [InlineData("CAP_SYS_PTRACE", 19, CheckStatus.Fail)]
    [InlineData("CAP_NET_ADMIN", 12, CheckStatus.Fail)]
    [InlineData("CAP_SYS_TIME", 25, CheckStatus.Fail)]
    [InlineData("CAP_SYS_RESOURCE", 24, CheckStatus.Warn)]
    public async Task Run_CapabilityMissing_SaysHowToGiveIt(string name, int bit, CheckStatus expected)
    {
        Assert.Equal(CheckStatus.Pass, (await OneAsync(name)).Status);
        proc.SetSelf(0, (0x1ffffffffffUL & ~(1UL << bit)).ToString("x16"));

        var result = await OneAsync(name);

        Assert.Equal(expected, result.Status);
        Assert.Contains($"--cap-add={name[4..]}", result.Fix, StringComparison.Ordinal);
    }

    /// <summary>Better said at the start than at the notice.</summary>
    [Fact]
    public async Task Run_NoSysResourceAndATaskOfAnotherUser_Fails()
    {
        proc.SetSelf(0, (0x1ffffffffffUL & ~(1UL << 24)).ToString("x16"));

        Assert.Equal(CheckStatus.Fail, (await OneAsync("CAP_SYS_RESOURCE", o => o with { IsForOtherUser = true })).Status);
    }

    [Theory]
    [InlineData("         0          0 4294967295\n", CheckStatus.Pass)]
    [InlineData("         0      65534          1\n", CheckStatus.Fail)]
    [InlineData("         0     100000      65536\n         65536 1 1\n", CheckStatus.Fail)]
    public async Task Run_UserNamespace_OnlyTheMachinesOwnPasses(string map, CheckStatus expected)
    {
        File.WriteAllText(Path.Combine(proc.Root, "self", "uid_map"), map);

        Assert.Equal(expected, (await OneAsync("user namespace")).Status);
    }

    [Fact]
    public async Task Run_NoTimeNamespace_Fails()
    {
        File.Delete(Path.Combine(proc.Root, "self/ns/time"));

        Assert.Equal(CheckStatus.Fail, (await OneAsync("time namespace")).Status);
    }

    [Fact]
    public async Task Run_NoFuse_Warns() =>
        Assert.Equal(CheckStatus.Warn, (await OneAsync("fuse", options => options with { DevRoot = "/nowhere" })).Status);

    [Fact]
    public async Task Run_LittleSpace_Warns()
    {
        Assert.Equal(CheckStatus.Pass, (await OneAsync("free space", options => options with { MinFreeBytes = 0 })).Status);
        Assert.Equal(CheckStatus.Warn, (await OneAsync("free space", options => options with { MinFreeBytes = long.MaxValue })).Status);
    }

    [Fact]
    public async Task Run_Imds_SaysTheInstance()
    {
        var time = new FakeTimeProvider();
        await using var imds = await ImdsDouble.StartAsync(time);
        using var client = new ImdsClient(new ImdsOptions { Endpoint = imds.Endpoint }, time);

        Assert.Equal("metadata service answers: c6i.8xlarge, spot", (await OneAsync("spot notices", options => options with { Imds = client })).Detail);
        imds.Fault = ImdsFault.Forbidden;
        Assert.Equal(CheckStatus.Warn, (await OneAsync("spot notices", options => options with { Imds = client })).Status);
    }

    [Fact]
    public async Task Run_ExternalCheckThrows_IsAFailureWithItsMessage()
    {
        var result = await OneAsync(
            "criu", options => options with { ExternalChecks = [("criu", _ => throw new IOException("no criu at /x"))] });

        Assert.Equal(CheckStatus.Fail, result.Status);
        Assert.Equal("no criu at /x", result.Fix);
    }

    [Theory]
    [InlineData(2, CheckStatus.Pass)]
    [InlineData(3, CheckStatus.Fail)]
    public async Task Run_Baseline_FailsOnACpuBelowIt(int level, CheckStatus expected)
    {
        var nehalem = new CpuFeatures("x86_64", "GenuineIntel", "Nehalem", CpuBaseline.X86V2.Features);

        var result = await OneAsync("cpu", o => o with { Cpu = nehalem, Baseline = level == 2 ? CpuBaseline.X86V2 : CpuBaseline.X86V3 });

        Assert.Equal(expected, result.Status);
        Assert.Equal("Nehalem, x86_64, x86-64-v2" + (expected == CheckStatus.Pass ? "; tasks start at x86-64-v2" : ""), result.Detail);
        if (expected == CheckStatus.Fail)
        {
            Assert.Contains("avx2", result.Fix, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Run_ThisMachine_EveryLineThatIsNoPassSaysWhatToDo()
    {
        var results = await MachinePreflight.RunAsync(new PreflightOptions { StateDirectory = "/var/lib/floe", Baseline = CpuBaseline.X86V2 }, default);

        Assert.All(results, result => Assert.Equal(result.Status == CheckStatus.Pass, result.Fix is null));
        Assert.Equal(CheckStatus.Pass, results.Single(result => result.Name == "pidfd").Status);
        Assert.Equal(results.Count, results.Select(result => result.Name).Distinct().Count());
    }
}
