using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Floe.Agent.Preflight;
using Floe.Linux.Processes;
using Xunit;

namespace Floe.Tests.Preflight;

/// <summary>The same checks against the kernel's own /proc and sock_diag, on children of this process.</summary>
public sealed class TaskPreflightOnRealProcessesTests
{
    private const int Sigkill = 9;

    /// <summary>Starts sh with the script, waits for its first line of output, inspects, and kills the session.</summary>
    private static async Task<IReadOnlyDictionary<string, CheckResult>> InspectAsync(
        string script, Func<TaskPreflightOptions, TaskPreflightOptions>? change = null, bool newSession = true, SafeHandle? standardInput = null)
    {
        using var ready = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.In, HandleInheritability.None);
        using var none = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        var child = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/bin/sh"u8.ToArray(),
            Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), Encoding.UTF8.GetBytes($"{script}\necho ready >&3; exec 3>&-; sleep 600 & wait")],
            NewSession = newSession,
            Descriptors = [(standardInput ?? none, 0), (none, 1), (none, 2), (ready.ClientSafePipeHandle, 3)],
        });
        try
        {
            ready.DisposeLocalCopyOfClientHandle();
            await ready.ReadExactlyAsync(new byte[6]);
            // "ready" comes before its writer has closed the pipe: wait for the end. What a script leaves behind must not hold it open.
            Assert.Equal(0, await ready.ReadAsync(new byte[1]));
            var options = new TaskPreflightOptions { RootPid = child.Pid };
            return TaskPreflight.Run(change?.Invoke(options) ?? options, default).ToDictionary(result => result.Name);
        }
        finally
        {
            foreach (var (pid, _) in ProcessTree.Read("/proc", child.Pid, default).Reverse())
            {
                _ = Floe.Linux.Interop.kill(pid, Sigkill);
            }

            await child.Exited;
        }
    }

    [Fact]
    public async Task Run_PlainShell_PassesEverything()
    {
        var results = await InspectAsync("(sleep 600) 3>&- &");

        Assert.All(results.Values, result => Assert.True(result.Status == CheckStatus.Pass, $"{result.Name}: {result.Detail}"));
        Assert.Contains("processes looked at", results["task"].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_NotStartedAsASession_Fails() =>
        Assert.Equal(CheckStatus.Fail, (await InspectAsync(":", newSession: false))["task session"].Status);

    [Fact]
    public async Task Run_DeletedFileAboveTheLimit_FailsAndHolesAreFree()
    {
        var directory = Directory.CreateTempSubdirectory("floe-ghost-").FullName;
        try
        {
            var big = await InspectAsync(
                $"exec 4>{directory}/x; head -c 3000000 /dev/zero | tr '\\0' a >&4; rm {directory}/x", options => options with { GhostLimitBytes = 1 << 20 });
            var sparse = await InspectAsync(
                $"truncate -s 3000000 {directory}/y; exec 4<>{directory}/y; rm {directory}/y", options => options with { GhostLimitBytes = 1 << 20 });

            Assert.Equal(CheckStatus.Fail, big["task deleted files"].Status);
            Assert.Equal(CheckStatus.Pass, sparse["task deleted files"].Status);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public async Task Run_FileOpenForWriting_IsAskedFor()
    {
        var path = Path.GetTempFileName();
        try
        {
            var results = await InspectAsync($"exec 4>>{path}", options => options with { IsPathCarried = name => name != path });

            Assert.Contains(path, results["task files"].Detail, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Run_SocketPairToThisProcess_Fails()
    {
        var path = Path.Combine(Path.GetTempPath(), $"floe-{Guid.NewGuid():N}.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        try
        {
            listener.Listen(1);
            using var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await client.ConnectAsync(new UnixDomainSocketEndPoint(path));
            using var accepted = await listener.AcceptAsync();
            var results = await InspectAsync(":", standardInput: client.SafeHandle);

            Assert.Equal(CheckStatus.Fail, results["task unix sockets"].Status);
            Assert.Contains(path, results["task unix sockets"].Detail, StringComparison.Ordinal);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Run_TcpToThisProcess_Warns()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(listener.LocalEndPoint!);
        using var accepted = await listener.AcceptAsync();

        var results = await InspectAsync(":", standardInput: client.SafeHandle);

        Assert.Equal(CheckStatus.Warn, results["task tcp"].Status);
        Assert.Contains(listener.LocalEndPoint!.ToString()!, results["task tcp"].Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_PipeFromOutside_Warns()
    {
        using var pipe = new System.IO.Pipes.AnonymousPipeServerStream(System.IO.Pipes.PipeDirection.Out, HandleInheritability.None);

        Assert.Equal(CheckStatus.Warn, (await InspectAsync(":", standardInput: pipe.ClientSafePipeHandle))["task pipes"].Status);
    }

    [Fact]
    public void Run_WhileProcessesComeAndGo_NeverThrows()
    {
        using var none = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.ReadWrite);
        var child = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/bin/sh"u8.ToArray(),
            Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), "while :; do /bin/true & /bin/true; wait; done"u8.ToArray()],
            NewSession = true,
            Descriptors = [(none, 0), (none, 1), (none, 2)],
        });
        try
        {
            for (var i = 0; i < 50; i++)
            {
                var results = TaskPreflight.Run(new TaskPreflightOptions { RootPid = child.Pid }, default);
                Assert.DoesNotContain(results, result => result.Status == CheckStatus.Fail);
            }
        }
        finally
        {
            _ = child.Signal(Sigkill);
        }
    }
}
