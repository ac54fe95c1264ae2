using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Floe.Agent;
using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Notices;
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

public sealed class SupervisorTests : IAsyncLifetime
{
    private readonly ScratchFolder _folder = new();
    private readonly KnownBlocks _known = new();
    private readonly RunSignals _signals = new(() => Task.FromResult(false));
    private SnapshotStore _store = null!;
    private Lease _lease = null!;
    private TaskTrace _trace = null!;
    private RunOptions _options = null!;

    public async ValueTask InitializeAsync()
    {
        _store = await SnapshotFixture.OpenAsync(new MemoryObjectStore());
        _lease = await _store.AcquireLeaseAsync(SnapshotFixture.Key, SnapshotFixture.Request(), default);
        _options = new RunOptions
        {
            Store = StoreUrl.TryParse("file:///store", out _)!, Key = SnapshotFixture.Key.Value, Command = ["/bin/sleep"u8.ToArray()], WorkingDirectory = "/",
            Files = FileScopeMode.Included, StateDirectory = _folder.Path,
        };
        _trace = new TaskTrace(
            new FileTraceTarget(_folder["trace"]), TraceEntries.Header(_options), TraceEntries.Attempt(_lease, null, TimeProvider.System.GetUtcNow()), TimeProvider.System, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        await _trace.DisposeAsync();
        _signals.Dispose();
        await _lease.DisposeAsync();
        _folder.Dispose();
    }

    /// <summary>Of what a snapshot needs something is not to be had, before CRIU is even called. Here: the table of known blocks, which somebody has not given back.</summary>
    [Fact]
    public async Task RequestSnapshotAsync_SnapshotCannotBegin_FailsAndTheTaskRunsOn()
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        var root = Shell("exec sleep 60");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
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

    /// <summary>CRIU may have harmed it. Where CRIU did not die, a status of the task's own is its own.</summary>
    [Theory]
    [InlineData("exit 1", typeof(TaskOutcome.Ended))]
    [InlineData("kill -SEGV $$", typeof(TaskOutcome.SnapshotFailed))]
    [InlineData("exit 0", typeof(TaskOutcome.Ended))]
    [InlineData("exit 255", typeof(TaskOutcome.Ended))]
    public async Task RunAsync_TaskEndsRightAfterASnapshotThatFailed_DeathByASignalIsNotItsOwnEnd(string end, Type expected)
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        var gate = _folder["gate"];
        var root = Shell($"until [ -e '{gate}' ]; do sleep 0.02; done; {end}");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        var running = supervisor.RunAsync();
        await Assert.ThrowsAsync<FloeException>(() => supervisor.RequestSnapshotAsync(leaveRunning: false));

        File.WriteAllText(gate, "");

        Assert.IsType(expected, await running);
    }

    /// <summary>That may be why the snapshot failed, and is no reason to say that it was.</summary>
    [Theory]
    [InlineData("exit 0", typeof(TaskOutcome.Ended))]
    [InlineData("exit 3", typeof(TaskOutcome.Ended))]
    [InlineData("kill -SEGV $$", typeof(TaskOutcome.SnapshotFailed))]
    public async Task RunAsync_TaskEndsDuringTheSnapshotOfATerm_IsItsEnd(string end, Type expected)
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        _options = _options with { OnTerm = TermPolicy.Snapshot };
        var gate = _folder["gate"];
        var root = Shell($"until [ -e '{gate}' ]; do sleep 0.02; done; {end}");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        _signals.Receive(PosixSignal.SIGTERM);
        File.WriteAllText(gate, "");
        await root.Exited;

        Assert.IsType(expected, await supervisor.RunAsync());
    }

    /// <summary>It takes its time to end after SIGTERM, and the world goes on.</summary>
    [Fact]
    public async Task RunAsync_TaskWasToldToEndAfterAFailedSnapshot_RequestsAreRefusedAndALostLeaseStopsIt()
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        _options = _options with { OnTerm = TermPolicy.Snapshot };
        var told = _folder["told"];
        var root = Shell($"trap 'echo >>{told}' TERM; echo >{told}.ready; while :; do sleep 0.02; done");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        var running = supervisor.RunAsync();
        await UntilAsync(() => File.Exists($"{told}.ready"));
        _signals.Receive(PosixSignal.SIGTERM);
        await UntilAsync(() => File.Exists(told));

        var failure = await Assert.ThrowsAsync<FloeException>(() => supervisor.RequestSnapshotAsync(leaveRunning: true).WaitAsync(Token));
        Assert.Contains("told to end", failure.Message, StringComparison.Ordinal);
        _signals.Receive(PosixSignal.SIGTERM);
        await UntilAsync(() => File.ReadAllText(told).Length > 1);
        supervisor.LeaseLost("another machine took it over");

        Assert.IsType<TaskOutcome.LeaseLost>(await running.WaitAsync(Token));
    }

    [Fact]
    public async Task RunAsync_TaskWasToldToEndAfterAFailedSnapshot_ItsStatusDoesNotCount()
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        _options = _options with { OnTerm = TermPolicy.Snapshot };
        var ready = _folder["ready"];
        await using var task = RunningTask.Adopt(Shell($"trap 'exit 0' TERM; echo >{ready}; while :; do sleep 0.02; done"), TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        var running = supervisor.RunAsync();
        await UntilAsync(() => File.Exists(ready));
        _signals.Receive(PosixSignal.SIGTERM);

        Assert.IsType<TaskOutcome.SnapshotFailed>(await running.WaitAsync(Token));
    }

    /// <summary>Restored in the middle of its handler it would end with a status that counts.</summary>
    [Fact]
    public async Task RunAsync_NoticeAfterTheTaskWasToldToEnd_IsNotSnapshotted()
    {
        await using var other = _store.BeginSnapshot(_lease, _known, SnapshotFixture.SmallBuffers);
        _options = _options with { OnTerm = TermPolicy.Snapshot };
        var told = _folder["told"];
        var root = Shell($"trap 'echo >{told}' TERM; echo >{told}.ready; while :; do sleep 0.02; done");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        var running = supervisor.RunAsync();
        await UntilAsync(() => File.Exists($"{told}.ready"));
        _signals.Receive(PosixSignal.SIGTERM);
        await UntilAsync(() => File.Exists(told));
        var source = new OneNotice();
        supervisor.Watch(source);
        await source.Taken.WaitAsync(Token);
        await Assert.ThrowsAsync<FloeException>(() => supervisor.RequestSnapshotAsync(leaveRunning: true).WaitAsync(Token));
        supervisor.LeaseLost("the test is over");
        Assert.IsType<TaskOutcome.LeaseLost>(await running.WaitAsync(Token));

        await _trace.FinishAsync(a => a, TimeSpan.FromMinutes(1));
        var trace = await File.ReadAllTextAsync(_folder["trace"], Token);
        Assert.Contains("\"trigger\":\"Term\"", trace, StringComparison.Ordinal);
        Assert.DoesNotContain("\"trigger\":\"Notice\"", trace, StringComparison.Ordinal);
    }

    /// <summary>Its result is another machine's to make again: nothing of it may go to the bucket.</summary>
    [Fact]
    public async Task RunAsync_LeaseIsLostAsTheTaskEnds_IsNoResult()
    {
        var root = Shell("exit 0");
        await using var task = RunningTask.Adopt(root, TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await root.Exited;
        await using var supervisor = Supervise(task, snapshots, isRestored: false);
        supervisor.LeaseLost("another machine took it over");

        Assert.IsType<TaskOutcome.LeaseLost>(await supervisor.RunAsync());
    }

    /// <summary>An instruction that this CPU does not know must not cost a snapshot that another one can run.</summary>
    [Theory]
    [InlineData("kill -ILL $$", true, typeof(TaskOutcome.RestoreFailed))]
    [InlineData("sh -c 'kill -SEGV $$'; exit $?", true, typeof(TaskOutcome.RestoreFailed))]
    [InlineData("exit 1", true, typeof(TaskOutcome.Ended))]
    [InlineData("kill -TERM $$", true, typeof(TaskOutcome.Ended))]
    [InlineData("kill -ILL $$", false, typeof(TaskOutcome.Ended))]
    public async Task RunAsync_TaskCrashes_SoonAfterARestoreItIsThat(string end, bool isRestored, Type expected)
    {
        await using var task = RunningTask.Adopt(Shell(end), TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored);

        Assert.IsType(expected, await supervisor.RunAsync());
    }

    /// <summary>Who submits it again, as Nextflow does, begins again; the snapshots would be nobody's.</summary>
    [Fact]
    public async Task RunAsync_TaskCrashesAfterARestoreThatIsToBeginAgainIfItFails_IsItsEnd()
    {
        _options = _options with { OnRestoreFailure = RestoreFailurePolicy.Restart };
        await using var task = RunningTask.Adopt(Shell("kill -ILL $$"), TaskOutput.Create([], []));
        await using var snapshots = Snapshots();
        await using var supervisor = Supervise(task, snapshots, isRestored: true);

        Assert.IsType<TaskOutcome.Ended>(await supervisor.RunAsync());
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static async Task UntilAsync(Func<bool> holds)
    {
        while (!holds())
        {
            await Task.Delay(10, Token);
        }
    }

    private static ChildProcess Shell(string script) => ChildProcess.Start(new ChildProcessOptions
    {
        Path = "/bin/sh"u8.ToArray(), Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), System.Text.Encoding.UTF8.GetBytes(script)],
    });

    private SnapshotTaker Snapshots() => new(
        new SnapshotContext
        {
            Options = _options,
            Directory = AgentDirectory.Create(_folder.Path, new AgentRecord(_options.Key, "file:///store", "here")),
            Criu = null!,
            Store = _store,
            Lease = _lease,
            Trace = _trace,
            Signals = _signals,
            Known = _known,
            Scope = null!,
            Baseline = null!,
        },
        TimeProvider.System, NullLogger.Instance);

    private Supervisor Supervise(RunningTask task, SnapshotTaker snapshots, bool isRestored) =>
        new(_options, task, isRestored, snapshots, _signals, _trace, TimeProvider.System, NullLogger.Instance);

    /// <summary>A deadline that has passed: a snapshot would be tried once.</summary>
    private sealed class OneNotice : INoticeSource
    {
        private readonly TaskCompletionSource _taken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Taken => _taken.Task;

        public async IAsyncEnumerable<ReclaimNotice> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var now = TimeProvider.System.GetUtcNow();
            yield return new ReclaimNotice("test", ReclaimAction.Terminate, now, now, "");
            _taken.SetResult();
            await Task.Delay(Timeout.Infinite, cancellationToken);
        }
    }
}
