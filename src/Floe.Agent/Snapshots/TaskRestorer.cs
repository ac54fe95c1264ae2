using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Floe.Agent.Files;
using Floe.Agent.Run;
using Floe.Agent.Stdio;
using Floe.Agent.Tasks;
using Floe.Agent.Trace;
using Floe.Criu;
using Floe.Criu.Dump;
using Floe.Criu.Restore;
using Floe.FileSystem.Moving;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Snapshots;

/// <summary>
/// Brings a task back from the newest snapshot that can be restored here: first it is checked against this machine, then the files
/// are put back, then CRIU builds the processes. What fails is cleaned away before the snapshot before it is tried, which is only
/// done when the newer one is bad: a snapshot that another machine could restore is not given up for an older one.
/// </summary>
internal sealed partial class TaskRestorer(TimeProvider time, ILogger logger)
{
    /// <summary>The restored task; null when no snapshot could be restored (each reason is logged).</summary>
    /// <param name="context">Its baseline must have been taken before anything was put back.</param>
    /// <exception cref="FloeException">A snapshot is good, but not here, and the command may not start from the beginning.</exception>
    /// <exception cref="UnsupportedFormatException">A newer Floe wrote the newest snapshot: that is no reason to go back in time.</exception>
    /// <exception cref="OperationCanceledException">What was put back is taken back again, and nothing of the task has run.</exception>
    /// <exception cref="S3.ObjectStoreException">The store failed: that says nothing about the snapshots, and nothing older is tried.</exception>
    public async Task<RestoredTask?> RestoreNewestAsync(SnapshotContext context, CancellationToken cancellationToken)
    {
        var key = context.Lease.Key;
        var target = Target.Of(context);
        var listings = await context.Store.ListSnapshotsAsync(key, cancellationToken).ConfigureAwait(false);
        RequireSameCommand(context.Options, listings);

        // From here on nobody gets a pid that any of the snapshots needs: not our own threads while one after the other is
        // tried, and not what the task starts the moment it runs again, so that the next machine finds those pids free too.
        PidFloor.RaiseTo(listings.Select(l => l.Manifest?.Task.HighestPid is { } pid && pid < target.PidLimit ? pid : 0).DefaultIfEmpty().Max(), logger, cancellationToken);
        FloeException? refusal = null;
        foreach (var listing in listings)
        {
            if (listing.IsUnsupported)
            {
                throw new UnsupportedFormatException(listing.Problem!);
            }

            if (listing.Manifest is not { } manifest)
            {
                LogDamaged(listing.Seq, listing.Problem ?? "its manifest cannot be read");
                continue;
            }

            var started = time.GetTimestamp();
            var startedAt = time.GetUtcNow();
            try
            {
                TargetCheck.Require(manifest, target);
                foreach (var doubt in TargetCheck.Doubts(manifest, target))
                {
                    LogDoubt(listing.Seq, doubt);
                }

                var restored = await RestoreAsync(context, key, manifest, MayHaveGoneOn(context, listing == listings[0]), started, cancellationToken).ConfigureAwait(false);
                context.Lease.GoOnFrom(manifest.Seq);
                Record(null);
                LogRestored(manifest.Seq, manifest.Machine.HostName, manifest.Totals.RawBytes >> 20, restored.Millis);
                return restored;
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested && RestoreFaults.Of(e) is { } fault)
            {
                context.Signals.TaskIsNotThere();
                LogRestoreFailed(listing.Seq, e.Message);
                Record(TraceLimits.Text(e.Message));
                await LeftOvers.KillAsync(time).ConfigureAwait(false);
                if (fault != RestoreFault.Snapshot && context.Options.OnRestoreFailure != RestoreFailurePolicy.Restart)
                {
                    refusal ??= NotHere(key, listing.Seq, e);
                    if (fault == RestoreFault.Target)
                    {
                        throw refusal;
                    }
                }
            }

            void Record(string? error)
            {
                var millis = (long)time.GetElapsedTime(started).TotalMilliseconds;
                context.Trace.Update(a => a.Restored(new TraceRestore(manifest.Seq, startedAt, millis, manifest.Totals.RawBytes, error)));
            }
        }

        return refusal is null ? null : throw refusal;
    }

    private void RequireSameCommand(RunOptions options, IReadOnlyList<SnapshotListing> listings)
    {
        if (listings.Select(l => l.Manifest).FirstOrDefault(m => m is not null) is not { } newest
            || SameCommand.WhyNot(newest.Task, options.Command, options.WorkingDirectory) is not { } difference)
        {
            return;
        }

        if (options.IfCommandDiffers == OtherCommandPolicy.Fail)
        {
            throw new FloeException(
                ExitCodes.Usage,
                $"the store has snapshots of '{options.Key}' that are of another task: {difference}. Give that line, another --key, or --if-command-differs=resume (FLOE_IF_COMMAND_DIFFERS) to go on with what was started; 'floe rm' removes them");
        }

        LogOtherCommand(difference);
    }

    private static FloeException NotHere(TaskKey key, long seq, Exception reason) => new(
        ExitCodes.RestoreFailed,
        $"snapshot {seq} of '{key}' is good and cannot be restored here: {reason.Message}; it is kept. Mend that and run the same line again, or start from the beginning with --on-restore-failure=restart (FLOE_ON_RESTORE_FAILURE)",
        reason);

    private async Task<RestoredTask> RestoreAsync(
        SnapshotContext context, TaskKey key, Manifest manifest, bool mayHaveGoneOn, long started, CancellationToken cancellationToken)
    {
        var reader = await context.Store.OpenSnapshotAsync(key, manifest.Seq, new SnapshotReaderOptions(), cancellationToken).ConfigureAwait(false);
        var putBack = new PutBackOptions
        {
            Baseline = context.Baseline,
            Taken = Facts.FrozenAt(manifest),
            MayHaveGoneOn = mayHaveGoneOn,
            IsOtherMachine = Facts.IsOtherMachine(manifest.Machine),
            Written = context.Written,
            Owner = Owner(context),
            Saved = saved => LogSaved(string.Join(", ", saved)),
        };
        using var files = await FilePutBack.BeginAsync(context.Scope, reader, putBack, cancellationToken).ConfigureAwait(false);

        if (context.Mount is { } mount)
        {
            await mount.RestoreAsync(reader, cancellationToken).ConfigureAwait(false);
        }
        else if (reader.TryGetStream(Mounts.TaskMount.StateStream) is not null)
        {
            throw new MountStateException("the task was started with --mount; resume it with the same option") { IsOfThisMount = true };
        }

        var copy = context.Mount is null ? null : await context.Mount.OpenOutputCopyAsync(goesOn: true, cancellationToken).ConfigureAwait(false);
        var stdio = manifest.Task.Stdio;
        var output = TaskOutput.Create(
            await StoredBytes.ReadEitherAsync(reader, SnapshotNames.StdoutBacklog, SnapshotNames.MaxBacklogBytes, cancellationToken).ConfigureAwait(false),
            await StoredBytes.ReadEitherAsync(reader, SnapshotNames.StderrBacklog, SnapshotNames.MaxBacklogBytes, cancellationToken).ConfigureAwait(false),
            context.Options.User,
            separate: stdio.Stdout != stdio.Stderr,
            copy,
            held: true);
        try
        {
            List<(System.Runtime.InteropServices.SafeHandle, string)> inherited = [];
            if (stdio.Stdout is { } stdout)
            {
                inherited.Add((output.Stdout.WriteEnd, stdout));
            }

            if (stdio.Stderr is { } stderr && stderr != stdio.Stdout)
            {
                inherited.Add((output.Stderr.WriteEnd, stderr));
            }

            var request = new RestoreRequest
            {
                WorkDirectory = context.Directory.FreshImages(),
                HookProgram = Bundle.ProgramPath,
                InheritDescriptors = inherited,
                BeforeItRuns = root =>
                {
                    if (context.Options.User is { } user)
                    {
                        RestoredPipes.GiveTo(user, root);
                    }

                    context.Signals.TaskBegins();
                    context.Mount?.EndRestore(holdsBack: context.Options.OnRestoreFailure != RestoreFailurePolicy.Restart);

                    // All of the snapshot was read by now, and found whole. Its backlog was the next restore's to write until here.
                    files.Keep();
                    output.Resume();
                },
                Tcp = manifest.Task.Options.GetValueOrDefault(Facts.TcpOption) == "established" ? TcpMode.Established : TcpMode.Close,
                Cpu = manifest.Machine.CpuBaseline is null ? CpuCheck.Full : CpuCheck.None,
            };
            var images = await StoredImageSource.OpenAsync(reader, cancellationToken).ConfigureAwait(false);
            var root = await new CriuRestore(time, logger).RunAsync(context.Criu, request, images, cancellationToken).ConfigureAwait(false);
            var millis = (long)time.GetElapsedTime(started).TotalMilliseconds;
            if (files.Result.ChangedSince.Count > 0)
            {
                LogMayHoldMore(manifest.Seq, string.Join(", ", files.Result.ChangedSince));
            }

            if (files.Result.Replaced.Count > 0)
            {
                LogReplaced(string.Join(", ", files.Result.Replaced));
            }

            if (files.LeftBehind.Count > 0)
            {
                LogLeftBehind(string.Join(", ", files.LeftBehind));
            }

            if (files.NotAsRecorded.Count > 0)
            {
                LogNotAsRecorded(string.Join(", ", files.NotAsRecorded));
            }

            // Of this snapshot alone: nothing that one which failed has in the store may be counted on.
            var known = new KnownBlocks();
            known.Learn(reader);
            return new RestoredTask(RunningTask.Adopt(root, output), manifest, known, millis);
        }
        catch
        {
            await output.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>A later attempt of the task has the same name, and clears what this one leaves if it is killed.</summary>
    private static string Owner(SnapshotContext context) =>
        XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{context.Options.Store} {context.Lease.Key}")).ToString("x32", CultureInfo.InvariantCulture);

    /// <summary>
    /// Whether a life of the task may have run on after a snapshot, in folders that have outlived it. Only of the newest one is it known that none did, and
    /// only where a lease says so.
    /// </summary>
    private static bool MayHaveGoneOn(SnapshotContext context, bool isNewest) =>
        context.Scope.Mode != FileScopeMode.Root && !(isNewest && context.Lease.TakenFrom is { State: LeaseState.HandedOver });

    [LoggerMessage(EventId = 4505, Level = LogLevel.Warning,
        Message = "The task ran on after snapshot {Sequence}, or may have. Files that it does not hold, or not as the task's own, were changed since, are left as they are, and may hold what the task will write again: {Files}")]
    private partial void LogMayHoldMore(long sequence, string files);

    [LoggerMessage(EventId = 4506, Level = LogLevel.Warning,
        Message = "Files that others wrote on this machine since the snapshot gave way to the task's own of the same names: {Files}. Tasks that may meet on a machine need names of their own there")]
    private partial void LogReplaced(string files);

    [LoggerMessage(EventId = 4507, Level = LogLevel.Warning,
        Message = "The task runs; what its files replaced could not be removed, because another program has it open or it is protected. It is of no use any more, and can be removed: {Directories}")]
    private partial void LogLeftBehind(string directories);

    [LoggerMessage(EventId = 4508, Level = LogLevel.Warning, Message = "The task runs; folders that hold its files are not quite as they were: {Reasons}")]
    private partial void LogNotAsRecorded(string reasons);

    [LoggerMessage(EventId = 4509, Level = LogLevel.Warning, Message = "The restore failed, and what it had replaced could not go back, because others have its place by now; it is kept: {Files}")]
    private partial void LogSaved(string files);

    [LoggerMessage(EventId = 4500, Level = LogLevel.Warning, Message = "Snapshot {Sequence} is damaged and passed over: {Reason}")]
    private partial void LogDamaged(long sequence, string reason);

    [LoggerMessage(EventId = 4504, Level = LogLevel.Warning, Message = "The command that was started goes on, not the one of this line: {Difference}")]
    private partial void LogOtherCommand(string difference);

    [LoggerMessage(EventId = 4501, Level = LogLevel.Warning, Message = "Snapshot {Sequence} is tried all the same: {Doubt}")]
    private partial void LogDoubt(long sequence, string doubt);

    [LoggerMessage(EventId = 4502, Level = LogLevel.Information, Message = "Restored snapshot {Sequence} of machine {Host}: {MiB} MiB in {Millis} ms")]
    private partial void LogRestored(long sequence, string host, long miB, long millis);

    [LoggerMessage(EventId = 4503, Level = LogLevel.Error, Message = "Snapshot {Sequence} could not be restored: {Reason}")]
    private partial void LogRestoreFailed(long sequence, string reason);
}

/// <param name="Known">For the snapshots to come.</param>
/// <param name="Millis">From the first byte asked of the store until the task ran.</param>
internal sealed record RestoredTask(RunningTask Task, Manifest Manifest, KnownBlocks Known, long Millis);
