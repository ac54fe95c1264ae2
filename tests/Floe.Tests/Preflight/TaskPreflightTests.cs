using Floe.Agent.Preflight;
using Xunit;

namespace Floe.Tests.Preflight;

/// <summary>Each check against a made-up /proc. The tree is 10 → 11, and 20 is somebody else.</summary>
public sealed class TaskPreflightTests : IDisposable
{
    private readonly ProcFixture proc = new();

    public TaskPreflightTests()
    {
        proc.AddProcess(10, parent: 5, name: "root");
        proc.AddProcess(11, parent: 10, name: "child (x) y");
        proc.AddProcess(20, parent: 5, name: "stranger", session: 20);
    }

    public void Dispose() => proc.Dispose();

    private IReadOnlyList<CheckResult> Run(Func<TaskPreflightOptions, TaskPreflightOptions>? change = null, IUnixPeerTable? peers = null)
    {
        var options = new TaskPreflightOptions { RootPid = 10, ProcRoot = proc.Root };
        return TaskPreflight.Run(change?.Invoke(options) ?? options, peers ?? new Peers(), default);
    }

    private CheckResult Only(string name, Func<TaskPreflightOptions, TaskPreflightOptions>? change = null, IUnixPeerTable? peers = null)
    {
        var results = Run(change, peers);
        Assert.All(results.Where(result => result.Name != name), result => Assert.True(result.Status == CheckStatus.Pass, $"{result.Name}: {result.Detail}"));
        return results.Single(result => result.Name == name);
    }

    [Fact]
    public void Run_CleanTask_PassesEverything()
    {
        proc.AddDescriptor(10, 0, "/dev/null");
        proc.AddDescriptor(11, 3, "anon_inode:[eventpoll]");
        proc.AddDescriptor(11, 4, "/data/in.txt", "0100000");
        proc.AddDescriptor(11, 5, "/memfd:x (deleted)");
        proc.AddDescriptor(11, 6, "/dev/shm/psm_1");
        proc.AddMapping(11, "7f0000000000-7f0000001000 rw-s 00000000 00:01 7 /dev/shm/psm_1");
        proc.AddMapping(11, "7f0000002000-7f0000003000 rw-s 00000000 00:01 8 /dev/zero (deleted)");
        proc.AddMapping(11, "7f0000004000-7f0000005000 r-xp 00000000 00:01 9 /opt/dev/nvidia0.so");

        Assert.All(Run(), result => Assert.Equal(CheckStatus.Pass, result.Status));
        Assert.Equal("2 processes looked at", Run()[0].Detail);
    }

    [Fact]
    public void Run_NoSuchProcess_IsOneFailure() =>
        Assert.Equal(CheckStatus.Fail, Assert.Single(Run(options => options with { RootPid = 999 })).Status);

    [Fact]
    public void Run_IoUring_FailsAndSaysWhatToDo()
    {
        proc.AddDescriptor(11, 7, "anon_inode:[io_uring]");

        var result = Only("task io_uring");

        Assert.Equal(CheckStatus.Fail, result.Status);
        Assert.Equal("process 11 (child (x) y) has an io_uring", result.Detail);
        Assert.Contains("UV_USE_IO_URING=0", result.Fix, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/dev/nvidia0")]
    [InlineData("/dev/infiniband/uverbs0")]
    [InlineData("/dev/kvm")]
    [InlineData("/dev/dri/renderD128")]
    [InlineData("/dev/fuse")]
    [InlineData("anon_inode:kvm-vm")]
    public void Run_DeviceOpen_Fails(string link)
    {
        proc.AddDescriptor(11, 7, link);

        var result = Only("task devices");

        Assert.Equal(CheckStatus.Fail, result.Status);
        Assert.Contains(link, result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_DeviceMappedButClosed_Fails()
    {
        proc.AddMapping(11, "7f0000000000-7f0000001000 rw-s 00000000 00:06 123                        /dev/nvidiactl");

        Assert.Contains("/dev/nvidiactl mapped", Only("task devices").Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("anon_inode:[userfaultfd]")]
    [InlineData("anon_inode:[perf_event]")]
    [InlineData("anon_inode:bpf-prog")]
    [InlineData("anon_inode:[something new]")]
    [InlineData("/secretmem (deleted)")]
    public void Run_KernelObjectOfAnotherKind_Fails(string link)
    {
        proc.AddDescriptor(11, 7, link);

        Assert.Equal(CheckStatus.Fail, Only("task kernel objects").Status);
    }

    [Theory]
    [InlineData("anon_inode:inotify")]
    [InlineData("anon_inode:[fanotify]")]
    public void Run_FileWatch_Warns(string link)
    {
        proc.AddDescriptor(11, 7, link);

        Assert.Equal(CheckStatus.Warn, Only("task file watches").Status);
    }

    [Fact]
    public void Run_Traced_Fails()
    {
        proc.AddProcess(12, parent: 11, tracer: 99);

        Assert.Contains("traced by 99", Only("task traced").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_ControllingTerminal_Fails()
    {
        proc.AddProcess(12, parent: 11, terminal: 34816);

        Assert.Equal(CheckStatus.Fail, Only("task terminal").Status);
    }

    [Fact]
    public void Run_TerminalWhoseMasterIsOutside_Fails()
    {
        proc.AddDescriptor(11, 1, "/dev/pts/3");

        Assert.Equal(CheckStatus.Fail, Only("task terminal").Status);
    }

    [Fact]
    public void Run_TerminalWhoseMasterIsInside_Passes()
    {
        proc.AddDescriptor(10, 5, "/dev/ptmx");
        proc.AddDescriptor(11, 1, "/dev/pts/3");

        Assert.Equal(CheckStatus.Pass, Only("task terminal").Status);
    }

    [Fact]
    public void Run_SessionLeaderOutside_Fails()
    {
        proc.AddProcess(12, parent: 11, session: 20);

        Assert.Contains("session 20", Only("task session").Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("mnt")]
    [InlineData("user")]
    [InlineData("pid")]
    public void Run_NestedNamespace_Fails(string kind)
    {
        proc.SetNamespace(11, kind, 2);

        Assert.Contains($"its own {kind} namespace", Only("task namespaces").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_OtherUserWithoutSysResource_FailsAndWithItPasses()
    {
        proc.AddProcess(12, parent: 11, uid: 1000);

        Assert.Equal(CheckStatus.Pass, Only("task users").Status);
        proc.SetSelf(uid: 0, capabilities: "000001fffeffffff");
        Assert.Contains("uid 1000", Only("task users").Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/dev/null")]
    [InlineData("/data/x")]
    public void Run_FileFromAnotherMountNamespace_Fails(string path)
    {
        proc.AddDescriptor(11, 3, path);
        proc.AddDescriptor(11, 4, "anon_inode:[eventfd]");
        proc.SetMounts(10, 1, 30);
        Assert.Equal(CheckStatus.Pass, Only("task mounts").Status);

        proc.SetMounts(10, 30);

        Assert.Equal($"process 11 (child (x) y) has {path} open on mount 1", Only("task mounts").Detail);
    }

    [Fact]
    public void Run_Zombie_IsPassedOver()
    {
        proc.AddProcess(12, parent: 11, state: 'Z', tracer: 99);

        Assert.Equal("3 processes looked at", Only("task").Detail);
    }

    // 127.0.0.1:8080 (0x1F90) and peers; 0A000001 is 1.0.0.10 in this byte order.
    private const string Inside1 = "   0: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 501 1 0";
    private const string Inside2 = "   1: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 502 1 0";
    private const string Outbound = "   2: 0100007F:C002 0A000001:01BB 01 00000000:00000000 00:00000000 00000000     0        0 503 1 0";
    private const string Listening = "   3: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 504 1 0";

    [Fact]
    public void Run_OutboundTcp_WarnsByPolicy()
    {
        proc.SetTcp(10, Outbound, Listening);
        proc.AddDescriptor(11, 7, "socket:[503]");
        proc.AddDescriptor(11, 8, "socket:[504]");

        var closed = Only("task tcp");
        var established = Only("task tcp", options => options with { TcpEstablished = true });

        Assert.Equal(CheckStatus.Warn, closed.Status);
        Assert.Equal("process 11 (child (x) y) is connected to 1.0.0.10:443", closed.Detail);
        Assert.Contains("(--tcp=close)", closed.Fix, StringComparison.Ordinal);
        Assert.Equal(CheckStatus.Warn, established.Status);
        Assert.Contains("cannot follow", established.Fix, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_TcpInsideTheTree_IsKept()
    {
        proc.SetTcp(10, Inside1, Inside2);
        proc.AddDescriptor(10, 7, "socket:[501]");
        proc.AddDescriptor(11, 7, "socket:[502]");

        Assert.Equal(CheckStatus.Pass, Only("task tcp").Status);
        Assert.Equal(CheckStatus.Pass, Only("task tcp", options => options with { TcpEstablished = true }).Status);
    }

    [Fact]
    public void Run_TcpToAStrangerOnThisMachine_IsLost()
    {
        proc.SetTcp(10, Inside1, Inside2);
        proc.AddDescriptor(10, 7, "socket:[501]");
        proc.AddDescriptor(20, 7, "socket:[502]");

        Assert.Equal(CheckStatus.Warn, Only("task tcp").Status);
    }

    [Fact]
    public void Run_UnixSocketToAStranger_FailsWithItsName()
    {
        proc.AddDescriptor(11, 7, "socket:[601]");
        var peers = new Peers { [601] = new UnixPeer(700, ""), [700] = new UnixPeer(601, "/run/dbus/system_bus_socket") };

        var result = Only("task unix sockets", peers: peers);

        Assert.Equal(CheckStatus.Fail, result.Status);
        Assert.Contains("/run/dbus/system_bus_socket", result.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_UnixPairInsideOrListening_Passes()
    {
        proc.AddDescriptor(10, 7, "socket:[601]");
        proc.AddDescriptor(11, 7, "socket:[602]");
        proc.AddDescriptor(11, 8, "socket:[603]");
        var peers = new Peers { [601] = new UnixPeer(602, ""), [602] = new UnixPeer(601, ""), [603] = new UnixPeer(0, "/tmp/s") };

        Assert.Equal(CheckStatus.Pass, Only("task unix sockets", peers: peers).Status);
    }

    [Fact]
    public void Run_PipeWithOneEndOutside_WarnsUnlessItIsTheAgents()
    {
        proc.AddDescriptor(10, 1, "pipe:[801]", "0100001");
        proc.AddDescriptor(10, 2, "pipe:[802]", "0100001");
        proc.AddDescriptor(11, 0, "pipe:[802]", "0100000");

        Assert.Contains("writes to pipe 801", Only("task pipes").Detail, StringComparison.Ordinal);
        Assert.Equal(CheckStatus.Pass, Only("task pipes", options => options with { AgentPipeInodes = new HashSet<ulong> { 801 } }).Status);
    }

    [Fact]
    public void Run_FileWrittenOutside_WarnsOnceAName()
    {
        proc.AddDescriptor(10, 3, "/mnt/out.log", "0102001");
        proc.AddDescriptor(11, 3, "/mnt/out.log", "0102001");
        proc.AddDescriptor(11, 4, "/mnt/in.log", "0100000");
        proc.AddDescriptor(11, 5, "/tmp/x", "0100002");

        var result = Only("task files", options => options with { IsPathCarried = path => path.StartsWith("/tmp/", StringComparison.Ordinal) });

        Assert.Equal("process 10 (root) writes /mnt/out.log", result.Detail);
    }

    [Fact]
    public void Run_ManyFindings_NamesThreeAndCountsTheRest()
    {
        for (var fd = 0; fd < 500; fd++)
        {
            proc.AddDescriptor(11, fd, $"/dev/nvidia{fd}");
        }

        Assert.EndsWith("and 497 more", Only("task devices").Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void Run_HostileName_CannotSteerTheTerminal()
    {
        proc.AddProcess(12, parent: 11, name: "a\u001b[2J\nb", tracer: 5);

        Assert.DoesNotContain(Only("task traced").Detail, char.IsControl);
    }

    private sealed class Peers : Dictionary<ulong, UnixPeer>, IUnixPeerTable
    {
        public IReadOnlyDictionary<ulong, UnixPeer> Read() => this;
    }
}
