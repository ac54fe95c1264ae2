using System.Globalization;
using Floe.Agent.Control;
using Floe.Agent.Run;
using Floe.Agent.Tasks;
using Floe.Criu.Dump;
using Floe.S3;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Snapshots;

/// <summary>
/// Takes one snapshot of the running task: CRIU freezes it and says what it is; with everything still, its memory and its files
/// are read; the manifest is committed; only then does CRIU end the task (or let it run on). Whatever fails before the commit
/// leaves the task running and the store's last good snapshot untouched.
/// </summary>
internal sealed partial class SnapshotTaker : IAsyncDisposable
{
    private readonly SnapshotContext _context;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CriuDump _dump;
    private readonly BackgroundPruning _pruning;
    private volatile SnapshotRun? _running;
    private bool _hasNamedFiles;

    public SnapshotTaker(SnapshotContext context, TimeProvider time, ILogger logger)
    {
        _context = context;
        _time = time;
        _logger = logger;
        _dump = new CriuDump(time, logger);
        _pruning = new BackgroundPruning(PruneAsync);
    }

    /// <summary>How far the snapshot being taken is; null when none is.</summary>
    public CaptureProgress? Progress => _running?.Progress;

    /// <param name="deadline">When this machine goes; null when nothing presses.</param>
    /// <exception cref="SnapshotFailedException">Nothing was committed, and the task runs on.</exception>
    public async Task<SnapshotReport> TakeAsync(RunningTask task, bool leaveRunning, DateTimeOffset? deadline, CancellationToken cancellationToken)
    {
        if (!leaveRunning)
        {
            // The time there is belongs to the commit, and the next holder prunes.
            _pruning.Stop();
        }

        // A machine that outlives its notice must not keep the task standing still for a store that is gone.
        using var patience = new StorePatience(() => _context.Store.FailingFor, _time, deadline);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _context.Lease.Lost, patience.Expired);
        try
        {
            var run = _running = Begin(task, leaveRunning, patience, limit.Token);
            var outcome = await CommitAsync(run, task, leaveRunning, isPressing: deadline is not null, patience, limit.Token).ConfigureAwait(false);

            // From here on the snapshot is a fact, and nothing may turn it into a failure.
            if (outcome.Note is { } note)
            {
                LogNote(note);
            }

            if (run.FilesChangedByOthers.Count > 0)
            {
                LogChangedByOthers(string.Join(", ", run.FilesChangedByOthers));
            }

            if (run.FilesLeftBehind.Count > 0 && !_hasNamedFiles)
            {
                _hasNamedFiles = true;
                LogLeftBehind(string.Join(", ", run.FilesLeftBehind));
            }

            var report = run.Report(outcome.Frozen, leaveRunning);
            LogCommitted(report.Sequence, report.Processes, report.ReadBytes >> 20, report.SentBytes >> 20, report.FrozenMillis,
                deadline is { } end ? string.Create(CultureInfo.InvariantCulture, $"; {(end - _time.GetUtcNow()).TotalSeconds:0.0} s left") : "");
            if (leaveRunning)
            {
                _context.Mount?.Resume(isDropped: false);
                task.Output.Resume();
                BeginPruning();
            }

            return report;
        }
        finally
        {
            _running = null;
        }
    }

    /// <summary>Removes beside the task what only older snapshots needed, until the task leaves this machine or <see cref="DisposeAsync"/>.</summary>
    public void BeginPruning() => _pruning.Begin();

    /// <summary>Nothing is removed from the store any more when this returns.</summary>
    public ValueTask DisposeAsync() => _pruning.DisposeAsync();

    /// <summary>The task's mount; null: it has none.</summary>
    public Mounts.TaskMount? Mount => _context.Mount;

    /// <exception cref="SnapshotFailedException">What a snapshot needs of this machine is not to be had: descriptors, memory.</exception>
    private SnapshotRun Begin(RunningTask task, bool leaveRunning, StorePatience patience, CancellationToken cancellationToken)
    {
        try
        {
            return new SnapshotRun(_context, task, leaveRunning, _time, cancellationToken);
        }
        catch (Exception e)
        {
            // Whatever it was, the task must not pay for it.
            throw Failed(e, patience);
        }
    }

    /// <exception cref="SnapshotFailedException">Nothing was committed, and the task runs on.</exception>
    private async Task<DumpOutcome> CommitAsync(
        SnapshotRun run, RunningTask task, bool leaveRunning, bool isPressing, StorePatience patience, CancellationToken cancellationToken)
    {
        try
        {
            if (task.Output.Refusal is { } refusal)
            {
                throw SnapshotFailedException.OutputRefused(refusal);
            }

            if (!isPressing)
            {
                // A store that does not answer, or a lease that is lost, is found out before the task stands still for it.
                await _context.Lease.RenewAsync(cancellationToken).ConfigureAwait(false);
            }

            var request = new DumpRequest
            {
                RootPid = task.Root.Pid,
                WorkDirectory = _context.Directory.FreshImages(),
                HookProgram = Bundle.ProgramPath,
                Tcp = _context.Options.Tcp == TcpPolicy.Established ? TcpMode.Established
                    : TaskConnections.AreInside(task.Root.Pid, cancellationToken) ? TcpMode.Inside : TcpMode.Close,
                Cpu = _context.CpuBaseline is null ? CpuCheck.Full : CpuCheck.None,
                LeaveRunning = leaveRunning,
            };
            _context.Mount?.SetBeingFrozen(true);
            return await _dump.RunAsync(_context.Criu, request, run.Images, run.CommitFrozenAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever it was, the task must not pay for it: it runs on.
            _context.Mount?.Resume(isDropped: !run.Writer.MayBeCommitted);
            task.Output.Resume();
            throw Failed(e, patience);
        }
        finally
        {
            _context.Mount?.SetBeingFrozen(false);
            await EndAsync(run).ConfigureAwait(false);
        }
    }

    private SnapshotFailedException Failed(Exception e, StorePatience patience)
    {
        var reason = e is not OperationCanceledException ? e.Message
            : patience.Expired.IsCancellationRequested ? $"the store has not answered for {_context.Store.FailingFor.TotalSeconds:0} s; check endpoint and network"
            : "it was stopped before it was complete";
        return new SnapshotFailedException(reason, e is LeaseLostException or SnapshotFailedException { IsPermanent: true } || _context.Lease.Lost.IsCancellationRequested, e);
    }

    private async Task EndAsync(SnapshotRun run)
    {
        try
        {
            await run.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Committed or not, that is settled.
            LogNotCleared(e.Message);
        }
    }

    private async Task PruneAsync(CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _context.Lease.Lost);
        try
        {
            await _context.Store.PruneAsync(_context.Lease, _context.Known, _context.Options.KeepSnapshots, limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (limit.IsCancellationRequested)
        {
            // The task ends or leaves: what is left is removed with its history, or by the next holder.
        }
        catch (Exception e)
        {
            // Whatever it was, the snapshot before it is committed and the task runs: the next prune makes up for it.
            LogNotPruned(e.Message);
        }
    }

    [LoggerMessage(EventId = 4400, Level = LogLevel.Information,
        Message = "Snapshot {Sequence} committed: {Processes} processes, {ReadMiB} MiB read, {SentMiB} MiB sent, frozen for {FrozenMillis} ms{TimeLeft}")]
    private partial void LogCommitted(long sequence, int processes, long readMiB, long sentMiB, long frozenMillis, string timeLeft);

    [LoggerMessage(EventId = 4402, Level = LogLevel.Warning, Message = "Files changed while the task stood still, by something outside of it, and may be torn: {Files}")]
    private partial void LogChangedByOthers(string files);

    [LoggerMessage(EventId = 4404, Level = LogLevel.Warning,
        Message = "The task has files open for writing that do not travel with it: {Files}. They must be on the next machine, and are not taken back to the snapshot's state; name their folder by --include (FLOE_INCLUDE), or by --exclude if that is right")]
    private partial void LogLeftBehind(string files);

    [LoggerMessage(EventId = 4403, Level = LogLevel.Warning, Message = "Older snapshots could not be removed yet: {Reason}")]
    private partial void LogNotPruned(string reason);

    [LoggerMessage(EventId = 4405, Level = LogLevel.Warning, Message = "What the snapshot held of this machine could not be let go: {Reason}")]
    private partial void LogNotCleared(string reason);

    [LoggerMessage(EventId = 4401, Level = LogLevel.Warning, Message = "{Note}")]
    private partial void LogNote(string note);
}
