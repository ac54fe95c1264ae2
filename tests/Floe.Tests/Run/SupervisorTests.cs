using Floe.Agent;
using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Run;
using Floe.Agent.Snapshots;
using Floe.Agent.Stdio;
using Floe.Agent.Tasks;
using Floe.Agent.Trace;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.Store;
using Floe.Testing;
using Floe.Tests.Store.Doubles;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Run;

public sealed class SupervisorTests
{
    /// <summary>Of what a snapshot needs something is not to be had, before CRIU is even called. Here: the table of known blocks, which somebody has not given back.</summary>
    [Fact]
    public async Task RequestSnapshotAsync_SnapshotCannotBegin_FailsAndTheTaskRunsOn()
    {
        using var folder = new ScratchFolder();
        var store = await SnapshotFixture.OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(SnapshotFixture.Key, SnapshotFixture.Request(), default);
        var known = new KnownBlocks();
        await using var other = store.BeginSnapshot(lease, known, SnapshotFixture.SmallBuffers);
        var options = new RunOptions
        {
            Store = StoreUrl.TryParse("file:///store", out _)!, Key = SnapshotFixture.Key.Value, Command = ["/bin/sleep"u8.ToArray()], WorkingDirectory = "/",
            Files = FileScopeMode.Included, StateDirectory = folder.Path,
        };
        await using var trace = new TaskTrace(
            new FileTraceTarget(folder["trace"]), TraceEntries.Header(options), TraceEntries.Attempt(lease, null, TimeProvider.System.GetUtcNow()), TimeProvider.System, NullLogger.Instance);
        using var signals = new RunSignals(() => Task.FromResult(false));
        var context = new SnapshotContext
        {
            Options = options,
            Directory = AgentDirectory.Create(folder.Path, new AgentRecord(options.Key, "file:///store", "here")),
            Criu = null!,
            Store = store,
            Lease = lease,
            Trace = trace,
            Signals = signals,
            Known = known,
            Scope = null!,
            Baseline = null!,
        };
        var root = ChildProcess.Start(new ChildProcessOptions { Path = "/bin/sleep"u8.ToArray(), Arguments = ["sleep"u8.ToArray(), "60"u8.ToArray()] });
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = new SnapshotTaker(context, TimeProvider.System, NullLogger.Instance);
        await using var supervisor = new Supervisor(options, task, snapshots, signals, trace, TimeProvider.System, NullLogger.Instance);
        var running = supervisor.RunAsync();

        for (var i = 0; i < 2; i++)
        {
            var asked = supervisor.RequestSnapshotAsync(leaveRunning: false);
            Assert.NotSame(running, await Task.WhenAny(asked, running));
            var failure = await Assert.ThrowsAsync<FloeException>(() => asked);
            Assert.Equal(ExitCodes.SnapshotFailed, failure.ExitCode);
            Assert.Contains("the task runs on", failure.Message, StringComparison.Ordinal);
            Assert.False(root.HasExited);
        }

        supervisor.LeaseLost("the test is over");
        Assert.IsType<TaskOutcome.LeaseLost>(await running);
    }
}
