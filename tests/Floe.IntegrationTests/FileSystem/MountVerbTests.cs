using System.Text;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.FileSystem;

/// <summary><c>floe mount</c> from its start to every kind of end.</summary>
public sealed class MountVerbTests
{
    private const string Floe = MountingMachine.Floe;
    private const string Folder = MountingMachine.Folder;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("umount " + Folder)]
    [InlineData("fusermount3 -u " + Folder)]
    [InlineData("pkill -TERM -x floe")]
    [InlineData("pkill -INT -x floe")]
    [InlineData("pkill -QUIT -x floe")]
    [InlineData("pkill -HUP -x floe; pkill -HUP -x floe || true")]
    public async Task Mount_Unmounted_EverythingIsInTheBucket(string end)
    {
        await using var server = await S3Double.StartAsync();
        server.Write("run/in", "input\n"u8.ToArray());
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        var mount = await StartAsync(machine, server);
        await ShellAsync(machine, server, $"cd {Folder}; tr a-z A-Z < in > out; head -c 20000000 /dev/urandom > large; sha256sum large > sum");
        await ShellAsync(machine, server, end);
        var ended = await mount.WaitAsync(Token);
        Assert.True(ended.Status.ShellCode == 0, $"{ended.Status}: {ended.Errors}");
        Assert.Equal("INPUT\n", Encoding.UTF8.GetString(server.Read("run/out")!));
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(server.Read("run/large")!)), Encoding.UTF8.GetString(server.Read("run/sum")!)[..64]);
        Assert.Equal(0, server.OpenUploadCount);
        await ShellAsync(machine, server, $"! mountpoint -q {Folder} && test ! -e /cache");
    }

    [Fact]
    public async Task Mount_Killed_CanBeMountedAgain()
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        var mount = await StartAsync(machine, server);
        await ShellAsync(machine, server, $"echo whole > {Folder}/whole; sync {Folder}/whole; exec 3> {Folder}/open; echo half >&3; pkill -KILL -x floe");
        Assert.Equal(137, (await mount.WaitAsync(Token)).Status.ShellCode);
        Assert.Equal(["run/whole"], server.KeysBelow(""));
        var again = await StartAsync(machine, server);
        Assert.Equal("whole", (await ShellAsync(machine, server, $"cat {Folder}/*")).Trim());
        await ShellAsync(machine, server, $"umount {Folder}");
        Assert.Equal(0, (await again.WaitAsync(Token)).Status.ShellCode);
        Assert.Equal("", await ShellAsync(machine, server, "ls -A /cache"));
    }

    [Fact]
    public async Task Mount_Daemon_ReturnsWhenItIsUpAndServesOn()
    {
        await using var server = await S3Double.StartAsync();
        server.Write("run/in", "input"u8.ToArray());
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        Assert.Equal("input", await ShellAsync(machine, server, $"mkdir {Folder}; {Floe} mount --daemon --store-root s3://{S3Double.Bucket}/run {Folder}; cat {Folder}/in"));
        await ShellAsync(machine, server, $"echo out > {Folder}/out; umount {Folder}; for i in $(seq 500); do pgrep -x floe || exit 0; sleep 0.02; done; exit 1");
        Assert.Equal("out\n", Encoding.UTF8.GetString(server.Read("run/out")!));
    }

    [Fact]
    public async Task Mount_DaemonWhoseUploadIsRefused_TellsItInTheLogOfItsCacheFolder()
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        await ShellAsync(machine, server, $"mkdir {Folder}; {Floe} mount --daemon --cache-folder /cache --store-root s3://{S3Double.Bucket}/run {Folder}");
        server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        await ShellAsync(machine, server, $"echo kept > {Folder}/refused; umount {Folder}; for i in $(seq 500); do pgrep -x floe || exit 0; sleep 0.02; done; exit 1");
        Assert.Contains("run/refused", await ShellAsync(machine, server, "cat /cache/*.log"), StringComparison.Ordinal);
    }

    /// <summary>The kernel's own read-ahead, 128 KiB, costs eight requests for one; the setting is in sysfs, which most containers see read-only.</summary>
    [Fact]
    public async Task Mount_WhereSysIsReadOnly_TheKernelReadsAheadByTheMebibyteAllTheSame()
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        await StartAsync(machine, server);
        var device = (await ShellAsync(machine, server, $"test ! -w /sys/class/bdi; mountpoint -d {Folder}")).Trim();
        Assert.Equal("1024", (await File.ReadAllTextAsync($"/sys/class/bdi/{device}/read_ahead_kb", Token)).Trim());
    }

    /// <summary>What is written stays in the cache as far as its limit goes. Three seconds.</summary>
    [Theory]
    [InlineData("16M", 1, 17 << 20)]
    [InlineData(null, 40_000_000, 42_000_000)]
    public async Task Mount_CacheSizeByVariable_IsTheLimitOfTheCacheFolder(string? size, long least, long most)
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        var environment = new Dictionary<string, string>(Environment(server));
        if (size is not null)
        {
            environment["FUSION_CACHE_SIZE"] = size;
        }

        await MountingMachine.StartAsync(machine, environment, $"s3://{S3Double.Bucket}/run");
        var used = await ShellAsync(machine, server, $"head -c 40000000 /dev/urandom > {Folder}/big; sync {Folder}/big; du -s --block-size=1 /cache | cut -f1");
        Assert.InRange(long.Parse(used, System.Globalization.CultureInfo.InvariantCulture), least, most);
    }

    [Fact]
    public async Task Mount_AllBuckets_KeysAreBelowS3()
    {
        await using var server = await S3Double.StartAsync();
        server.Write("a/key", "text"u8.ToArray());
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        await StartAsync(machine, server, root: null);
        Assert.Equal("text", await ShellAsync(machine, server, $"cat {Folder}/s3/{S3Double.Bucket}/a/key; test ! -e {Folder}/s3/no-such-bucket"));
    }

    [Fact]
    public async Task Mount_UploadRefused_ExitsWith174AndKeepsTheBytes()
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        var mount = await StartAsync(machine, server);
        server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        await ShellAsync(machine, server, $"echo kept > {Folder}/refused; umount {Folder}");
        var ended = await mount.WaitAsync(Token);
        Assert.Equal(174, ended.Status.ShellCode);
        Assert.Contains("run/refused", ended.Errors, StringComparison.Ordinal);
        Assert.Equal("kept\n", await ShellAsync(machine, server, "cat /cache/kept/*refused"));
    }

    [Theory]
    [InlineData("/nowhere", "no folder to mount on")]
    [InlineData("--store-root http://x /tmp", "http")]
    [InlineData("--cache-size much /tmp", "no size")]
    public async Task Mount_WrongUsage_IsOneLineAndExit2(string arguments, string message)
    {
        await using var server = await S3Double.StartAsync();
        await using var machine = await Machine.CreateAsync(new() { Kind = MachineKind.Host }, Token);
        var ended = await machine.RunAsync([Floe, "mount", .. arguments.Split(' ')], Environment(server), Token);
        Assert.True(ended.Status.ShellCode == 2, $"{ended.Status}: {ended.Errors}");
        Assert.Contains(message, ended.Errors, StringComparison.Ordinal);
        Assert.Single(ended.Errors.Trim().Split('\n'));
    }

    private static Task<MachineProcess> StartAsync(Machine machine, S3Double server, string? root = "run") =>
        MountingMachine.StartAsync(machine, Environment(server), root is null ? null : $"s3://{S3Double.Bucket}/{root}");

    private static Task<string> ShellAsync(Machine machine, S3Double server, string script) => MountingMachine.ShellAsync(machine, Environment(server), script);

    private static IReadOnlyDictionary<string, string> Environment(S3Double server) => MountingMachine.Environment(server.Endpoint, server.Keys);
}
