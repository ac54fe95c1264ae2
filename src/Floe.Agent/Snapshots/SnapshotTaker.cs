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
internal sealed partial class SnapshotTaker
{
    private readonly SnapshotContext _context;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CriuDump _dump;
    private volatile SnapshotRun? _running;
    private bool _hasNamedFiles;

    public SnapshotTaker(SnapshotContext context, TimeProvider time, ILogger logger)
    {
        _context = context;
        _time = time;
        _logger = logger;
        _dump = new CriuDump(time, logger);
    }

    /// <summary>How far the snapshot being taken is; null when none is.</summary>
    public CaptureProgress? Progress => _running?.Progress;

    /// <param name="deadline">When this machine goes; null when nothing presses.</param>
    /// <exception cref="SnapshotFailedException">Nothing was committed, and the task runs on.</exception>
    public async Task<SnapshotReport> TakeAsync(RunningTask task, bool leaveRunning, DateTimeOffset? deadline, CancellationToken cancellationToken)
    {
        using var patience = deadline is null ? new StorePatience(() => _context.Store.FailingFor, _time) : null;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _context.Lease.Lost, patience?.Expired ?? CancellationToken.None);
        var run = new SnapshotRun(_context, task, leaveRunning, _time, limit.Token);
        _running = run;
        try
        {
            var outcome = await CommitAsync(run, task, leaveRunning, patience, limit.Token).ConfigureAwait(false);

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
                _context.Mount?.Resume();
                task.Output.Resume();
                await PruneAsync(cancellationToken).ConfigureAwait(false);
            }

            return report;
        }
        finally
        {
            _running = null;
        }
    }

    /// <summary>Before a task is ended that another machine has, or will have: what its end does to its files must not reach the bucket.</summary>
    public Task HandOverMountAsync(CancellationToken cancellationToken) => _context.Mount?.HandOverAsync(cancellationToken) ?? Task.CompletedTask;

    /// <exception cref="SnapshotFailedException">Nothing was committed, and the task runs on.</exception>
    private async Task<DumpOutcome> CommitAsync(SnapshotRun run, RunningTask task, bool leaveRunning, StorePatience? patience, CancellationToken cancellationToken)
    {
        try
        {
            if (task.Output.Refusal is { } refusal)
            {
                throw SnapshotFailedException.OutputRefused(refusal);
            }

            if (patience is not null)
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
            _context.Mount?.Resume();
            task.Output.Resume();
            var reason = e is not OperationCanceledException ? e.Message
                : patience is { Expired.IsCancellationRequested: true } ? $"the store has not answered for {_context.Store.FailingFor.TotalSeconds:0} s; check endpoint and network"
                : "it was stopped before it was complete";
            throw new SnapshotFailedException(reason, e is LeaseLostException or SnapshotFailedException { IsPermanent: true } || _context.Lease.Lost.IsCancellationRequested, e);
        }
        finally
        {
            _context.Mount?.SetBeingFrozen(false);
            await run.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// Removes what only older snapshots needed. Not when the task leaves this machine: the time there is belongs to the commit, and
    /// the next holder prunes.
    /// </summary>
    public async Task PruneAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _context.Store.PruneAsync(_context.Lease, _context.Known, _context.Options.KeepSnapshots, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The task has ended: what is left is removed with its history, or by the next holder.
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

    [LoggerMessage(EventId = 4401, Level = LogLevel.Warning, Message = "{Note}")]
    private partial void LogNote(string note);
}
