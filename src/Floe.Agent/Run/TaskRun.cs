using System.Text;
using Floe.Agent.Control;
using Floe.Agent.Cpu;
using Floe.Agent.Files;
using Floe.Agent.Mounts;
using Floe.Agent.Notices;
using Floe.Agent.Preflight;
using Floe.Agent.Snapshots;
using Floe.Agent.Stdio;
using Floe.Agent.Tasks;
using Floe.Agent.Trace;
using Floe.Agent.WorkFolders;
using Floe.Aws;
using Floe.Criu;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>One `floe run` as pid 1: lease, restore or start, supervise, and leave the store as the outcome asks.</summary>
public sealed partial class TaskRun
{
    // The store may be what failed.
    private static readonly TimeSpan s_releasePatience = TimeSpan.FromSeconds(5);

    // Only people miss a trace.
    private static readonly TimeSpan s_tracePatience = TimeSpan.FromSeconds(5);

    // Between tries to go on here. --return-after may be nothing, and each try costs a lease and log lines.
    private static readonly TimeSpan s_leastPause = TimeSpan.FromSeconds(30);

    private readonly RunOptions _options;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _logger;

    private TaskRun(RunOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        _options = options;
        _time = time;
        _loggers = loggers;
        _logger = loggers.CreateLogger<TaskRun>();
    }

    /// <summary>Returns the exit status of `floe run`. The caller must be pid 1 of its pid namespace, with that namespace's /proc.</summary>
    /// <exception cref="FloeException">Nothing was started; the message says why.</exception>
    /// <exception cref="ObjectStoreException">The store cannot be used; nothing was started.</exception>
    public static async Task<int> RunAsync(RunOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (!TaskKey.TryParse(options.Key, out var key, out var error))
        {
            throw new FloeException(ExitCodes.Usage, $"--key '{options.Key}': {error}");
        }

        // Connections, files under capture and an image pipe for each process add up to more than the usual soft limit.
        DescriptorLimit.Raise();
        var early = new EarlySignal(options, time, loggers);
        using var signals = new RunSignals(early.IsForSupervisorAsync);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, signals.Ended);
        try
        {
            return await new TaskRun(options, time, loggers).RunAsync(key, signals, early, stop.Token).ConfigureAwait(false);
        }
        catch (Exception) when (signals.EndedBy is { } signal)
        {
            // Whatever it was, it was on its way out: a folder that hangs is no cancellation.
            return await early.StatusAsync(signal, null, key).ConfigureAwait(false);
        }
    }

    private async Task<int> RunAsync(TaskKey key, RunSignals signals, EarlySignal early, CancellationToken cancellationToken)
    {
        LeftOvers.SpareThoseOfNow();
        var baseline = CpuBaseline.Required(_options.CpuBaseline);
        Executable.Require(_options.Command[0], _options.WorkingDirectory);
        var bundle = Bundle.Locate();
        var criu = await CriuInstallation.LocateAsync(cancellationToken).ConfigureAwait(false);
        LogStart(_options.Key, _options.Store.ToString());
        await WarnOfMachineAsync(cancellationToken).ConfigureAwait(false);

        // A folder may hang, which must not keep a signal from ending the run.
        await using var objects = await Task.Run(() => ObjectStores.Open(_options.Store, StoreOptions.FromEnvironment(), _loggers, _time), cancellationToken)
            .WaitAsync(cancellationToken).ConfigureAwait(false);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions { TimeProvider = _time, Logger = _logger }, true, cancellationToken).ConfigureAwait(false);
        await using var log = _options is { OwnsStore: true, Log: { } lines }
            ? new LogUpload(lines, objects, LogUpload.Key(_options.Scheduler?.Attempt ?? 1), _time, _logger) : null;
        var record = new AgentRecord(_options.Key, _options.Store.ToString(), Environment.MachineName);
        var directory = AgentDirectory.Create(_options.StateDirectory, record, isForOtherUser: _options.User is not null);
        try
        {
            using var notices = new NoticeWatch(_options, _time, _loggers);
            var place = new Place(objects, store, key, criu, bundle, directory, record, baseline?.Name, signals, notices);
            var left = await LiveAsync(place, isBack: false, cancellationToken).ConfigureAwait(false);
            while (left.StayUntil is { } until)
            {
                if (log is not null)
                {
                    await log.FlushAsync().ConfigureAwait(false);
                }

                await StayAsync(until, cancellationToken).ConfigureAwait(false);
                left = await ReturnAsync(place, cancellationToken).ConfigureAwait(false);
            }

            return left.Status;
        }
        catch (Exception) when (signals.EndedBy is { } signal)
        {
            // Whatever it was, it was on its way out.
            return await early.StatusAsync(signal, store, key).ConfigureAwait(false);
        }
        finally
        {
            directory.Delete();
        }
    }

    /// <summary>
    /// Another life on a machine that was to go and did not. The task is safe in the store: one that is not reached now (a network that is not back yet) may be
    /// later, and a container that ended here would not be run again.
    /// </summary>
    private async Task<Departure> ReturnAsync(Place place, CancellationToken cancellationToken)
    {
        try
        {
            return await LiveAsync(place, isBack: true, cancellationToken).ConfigureAwait(false);
        }
        catch (LeaseLostException e)
        {
            LogTaskIsElsewhere(e.Message);
            return new Departure(ExitCodes.Snapshotted);
        }
        catch (Exception e) when (StoreFaults.MayPass(e) && !cancellationToken.IsCancellationRequested)
        {
            LogNotBack(e.Message);
            return new Departure(ExitCodes.Snapshotted, _time.GetUtcNow() + (_options.ReturnAfter > s_leastPause ? _options.ReturnAfter : s_leastPause));
        }
    }

    /// <summary>The task's life on this machine, once: from the lease to how it left. A machine that was to go and did not has another.</summary>
    private async Task<Departure> LiveAsync(Place place, bool isBack, CancellationToken cancellationToken)
    {
        place.Signals.BeginLife();
        Lease lease;
        try
        {
            lease = await TaskLease.AcquireAsync(place.Store, place.Key, _options, _time, cancellationToken).ConfigureAwait(false);
        }
        catch (FloeException e) when (isBack)
        {
            LogTaskIsElsewhere(e.Message);
            return new Departure(ExitCodes.Snapshotted);
        }

        await using var held = lease.ConfigureAwait(false);
        place.Directory.RemoveLeftBehind(place.Record);
        await using var trace = new TaskTrace(
            TraceTarget(place), TraceEntries.Header(_options), TraceEntries.Attempt(lease, _options.Scheduler, _time.GetUtcNow()), _time, _logger);
        await using var control = new AgentControlPoint(place.Directory.ControlSocket, place.Record, _options.User?.Uid, _logger);
        await using var mount = _options.Mount is { } request
            ? new TaskMount(request, BucketServices.Open(StoreOptions.FromEnvironment(), _loggers, _time), _loggers, _time) : null;
        try
        {
            // What a first life here left is what its snapshot holds too: all of it still counts as the task's.
            var scope = FileScopes.For(_options, place.Bundle);
            using var written = WrittenFiles.TryWatch(scope);
            var context = new SnapshotContext
            {
                Options = _options,
                Directory = place.Directory,
                Criu = place.Criu,
                Store = place.Store,
                Lease = lease,
                Trace = trace,
                Signals = place.Signals,
                Known = new KnownBlocks(),
                Mount = mount,
                Scope = scope,
                Written = written,
                Baseline = isBack ? FileBaseline.Open(place.Directory.Baseline) : await FileBaseline.TakeAsync(scope, place.Directory.Baseline, cancellationToken).ConfigureAwait(false),
                CpuBaseline = place.CpuBaseline,
            };
            return await RunAsync(context, place, control, isBack, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            await trace.FinishAsync(a => a.Ended(TraceOutcome.Failed, (e as FloeException)?.ExitCode, _time.GetUtcNow()), s_tracePatience).ConfigureAwait(false);

            // What its end closes must not replace what its snapshot rests on.
            await (mount?.LeaveAsync() ?? Task.CompletedTask).ConfigureAwait(false);

            // Nothing of the task may run any more when the next agent gets the lease; then it need not wait for it.
            await LeftOvers.KillAsync(_time).ConfigureAwait(false);
            using var limit = new CancellationTokenSource(s_releasePatience, _time);
            await TryAsync(place.Store, _ => lease.ReleaseAsync(place.Signals.HasTaskRun ? LeaseState.Released : lease.StateAsTaken, limit.Token)).ConfigureAwait(false);
            throw;
        }
        finally
        {
            control.Close();
        }
    }

    private ITraceTarget TraceTarget(Place place) => _options switch
    {
        { TraceFile: { } file } => new FileTraceTarget(file),
        { OwnsStore: true } => ObjectTraceTarget.OfStore(place.Objects),
        _ => ObjectTraceTarget.OfTask(place.Store, place.Key),
    };

    private async Task<Departure> RunAsync(SnapshotContext context, Place place, AgentControlPoint point, bool isBack, CancellationToken cancellationToken)
    {
        var restored = await new TaskRestorer(_time, _logger).RestoreNewestAsync(context, cancellationToken).ConfigureAwait(false);
        if (restored is null && isBack)
        {
            // Whoever removed the snapshots, or cannot use them, it is not for this machine to start the command once more.
            LogTaskIsElsewhere("there is no snapshot of it that can be restored here");
            await TryAsync(context.Store, limit => context.Lease.ReleaseAsync(context.Signals.HasTaskRun ? LeaseState.Released : context.Lease.StateAsTaken, limit)).ConfigureAwait(false);
            return new Departure(ExitCodes.Snapshotted);
        }

        if (restored is not null)
        {
            context = context with { CpuBaseline = restored.Manifest.Machine.CpuBaseline, Known = restored.Known };
        }

        await using var task = restored?.Task ?? await new TaskStarter(_logger).StartAsync(context, place.Bundle, cancellationToken).ConfigureAwait(false);
        await using var snapshots = new SnapshotTaker(context, _time, _logger);
        var supervisor = new Supervisor(_options, task, restored is not null, snapshots, context.Signals, context.Trace, _time, _logger);
        var runningAt = _time.GetUtcNow();
        context.Trace.Update(a => a with { RunningAt = runningAt });
        await using (supervisor.ConfigureAwait(false))
        {
            point.Open(new AgentControl(_options, task, supervisor, snapshots, restored?.Manifest.Seq ?? 0, runningAt, _time));
            place.Notices.Start(supervisor.Watch);
            _ = place.Notices.NameMachineAsync(context.Trace, cancellationToken);
            using var lost = context.Lease.Lost.Register(() => supervisor.LeaseLost("another machine took it over"));
            if (restored is not null)
            {
                snapshots.BeginPruning();
            }

            var outcome = await supervisor.RunAsync().ConfigureAwait(false);
            await snapshots.DisposeAsync().ConfigureAwait(false);
            var status = await FinishAsync(context, outcome, task.Output, cancellationToken).ConfigureAwait(false);
            return new Departure(status, outcome is TaskOutcome.TakenAway taken ? StayUntil(taken.MachineEnds) : null);
        }
    }

    /// <param name="machineEnds">What a notice says; null without one.</param>
    private DateTimeOffset? StayUntil(DateTimeOffset? machineEnds) => _options.After switch
    {
        AfterSnapshot.Stay => (machineEnds ?? _time.GetUtcNow()) + _options.ReturnAfter,
        AfterSnapshot.StayAtNotice => machineEnds + _options.ReturnAfter,
        _ => null,
    };

    /// <summary>AWS Batch retries a job only when its host was terminated: a container that exits by itself is not run again.</summary>
    private async Task StayAsync(DateTimeOffset until, CancellationToken cancellationToken)
    {
        LogStaying(until.UtcDateTime);
        var left = until - _time.GetUtcNow();
        await Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, cancellationToken).ConfigureAwait(false);
        LogStillHere();
    }

    /// <summary>What `floe check` would say of this machine: better at the start than at the notice. The task runs all the same.</summary>
    private async Task WarnOfMachineAsync(CancellationToken cancellationToken)
    {
        foreach (var check in await MachinePreflight.RunAsync(new PreflightOptions { StateDirectory = _options.StateDirectory, IsForOtherUser = _options.User is not null }, cancellationToken).ConfigureAwait(false))
        {
            if (check.Status == CheckStatus.Fail)
            {
                LogMachine(check.Name, check.Detail, check.Fix ?? "");
            }
        }
    }

    [LoggerMessage(EventId = 4600, Level = LogLevel.Information, Message = "task {Key}, store {Store}")]
    private partial void LogStart(string key, string store);

    [LoggerMessage(EventId = 4604, Level = LogLevel.Warning, Message = "Snapshots will fail here: {Name}: {Detail}; {Fix}")]
    private partial void LogMachine(string name, string detail, string fix);

    [LoggerMessage(EventId = 4602, Level = LogLevel.Information, Message = "The task is safe in the store; waiting for the machine to end, until {Until:HH:mm:ss} UTC")]
    private partial void LogStaying(DateTime until);

    [LoggerMessage(EventId = 4606, Level = LogLevel.Warning, Message = "This machine was to go and is still here: the task goes on here")]
    private partial void LogStillHere();

    [LoggerMessage(EventId = 4607, Level = LogLevel.Warning, Message = "The task does not go on here: {Reason}")]
    private partial void LogTaskIsElsewhere(string reason);

    [LoggerMessage(EventId = 4614, Level = LogLevel.Warning, Message = "The task cannot go on here yet: {Reason}; trying again later")]
    private partial void LogNotBack(string reason);

    /// <summary>What all lives of the task on this machine share.</summary>
    private sealed record Place(
        IObjectStore Objects, SnapshotStore Store, TaskKey Key, CriuInstallation Criu, Bundle Bundle, AgentDirectory Directory, AgentRecord Record, string? CpuBaseline,
        RunSignals Signals, NoticeWatch Notices);

    /// <param name="StayUntil">The process must not end before the machine does; a machine that is there still by then gets the task back.</param>
    private readonly record struct Departure(int Status, DateTimeOffset? StayUntil = null);
}
