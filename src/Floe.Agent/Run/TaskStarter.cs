using System.Text;
using Floe.Agent.Cpu;
using Floe.Agent.Files;
using Floe.Agent.Mounts;
using Floe.Agent.Snapshots;
using Floe.Agent.Stdio;
using Floe.Agent.Tasks;
using Floe.Agent.WorkFolders;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>Starts the command from the beginning, in a place from which everything is gone that an earlier try or attempt left.</summary>
internal sealed partial class TaskStarter(ILogger logger)
{
    /// <exception cref="FloeException">It may not be started, or not cleanly.</exception>
    public async Task<RunningTask> StartAsync(SnapshotContext context, Bundle bundle, CancellationToken cancellationToken)
    {
        var options = context.Options;
        var earlier = await context.Store.ListSnapshotsAsync(context.Lease.Key, cancellationToken).ConfigureAwait(false);
        if (earlier.Count == 0 && options.Scheduler is { Attempt: > 1 } again)
        {
            LogNoSnapshot(again.Attempt);
        }

        if (earlier.Count > 0)
        {
            if (options.OnRestoreFailure == RestoreFailurePolicy.Fail)
            {
                throw new FloeException(ExitCodes.RestoreFailed, $"no snapshot of '{options.Key}' can be restored here; they are kept. Fix what the log names, or start clean with --on-restore-failure=restart");
            }

            LogCleanStart(earlier.Count);
            try
            {
                await FilePutBack.RevertAsync(context.Scope, context.Baseline, cancellationToken).ConfigureAwait(false);
            }
            catch (FileStateException e)
            {
                throw new FloeException(ExitCodes.RestoreFailed, $"the failed restore changed files here, so the command cannot start clean: {e.Message}", e);
            }
        }

        IOutputCopy? copy = null;
        if (context.Mount is { } mount)
        {
            // What a failed restore brought up may still be writing to the bucket.
            await mount.TakeDownAsync().ConfigureAwait(false);
            await PrepareWorkAsync(context, mount, cancellationToken).ConfigureAwait(false);
            await mount.StartAsync().ConfigureAwait(false);
            copy = await mount.OpenOutputCopyAsync(goesOn: false, cancellationToken).ConfigureAwait(false);
        }

        if (context.Scope.WorkingDirectoryOnFuse() is { } directory)
        {
            LogStaysBehind(directory);
        }

        context.Signals.TaskBegins();
        return RunningTask.Start(
            new TaskStart(Encoding.UTF8.GetBytes(bundle.InitPath), options.Command, OwnEnvironment(context), Encoding.UTF8.GetBytes(options.WorkingDirectory), options.User),
            copy, logger, cancellationToken);
    }

    /// <summary>The first attempt notes what the work folder holds; a later one that starts from the beginning goes back to that.</summary>
    private static async Task PrepareWorkAsync(SnapshotContext context, TaskMount mount, CancellationToken cancellationToken)
    {
        if (mount.Work is not { } work)
        {
            return;
        }

        try
        {
            if (await context.Store.ReadStartAsync(context.Lease.Key, cancellationToken).ConfigureAwait(false) is { } start)
            {
                await work.CleanAsync(WorkListing.Parse(start.Content), cancellationToken).ConfigureAwait(false);
            }
            else
            {
                var listing = await work.ListAsync(cancellationToken).ConfigureAwait(false);
                await context.Store.WriteStartAsync(context.Lease, listing.ToBytes(), cancellationToken).ConfigureAwait(false);
            }
        }
        catch (WorkFolderException e)
        {
            throw new FloeException(ExitCodes.StoreError, e.Message, e);
        }
    }

    /// <summary>What this agent was started with, for the task; what is between Floe's own processes left out.</summary>
    private static IReadOnlyList<byte[]> OwnEnvironment(SnapshotContext context)
    {
        var inner = Encoding.UTF8.GetBytes(Namespaces.PidNamespaceHost.InnerVariable + "=");
        var own = ProcessStrings.Environment(withThoseWithheld: context.Options.User is not null).Where(entry => !entry.AsSpan().StartsWith(inner)).ToList();
        return TaskEnvironment.Compose(own, context.CpuBaseline is { } name ? CpuBaseline.TryParse(name, out _) : null);
    }

    [LoggerMessage(EventId = 4609, Level = LogLevel.Warning,
        Message = "The working directory {Directory} is on a FUSE mount (sshfs, JuiceFS and the like), whose files do not travel: what the task writes there is as it left it only where the same mount is on the next machine. Start it in a local folder, or on --mount")]
    private partial void LogStaysBehind(string directory);

    [LoggerMessage(EventId = 4601, Level = LogLevel.Warning, Message = "None of the {Count} snapshots can be restored here: the command starts from the beginning")]
    private partial void LogCleanStart(int count);

    [LoggerMessage(EventId = 4608, Level = LogLevel.Warning, Message = "This is attempt {Attempt}, but there is no snapshot to go on from: the command starts from the beginning")]
    private partial void LogNoSnapshot(int attempt);
}
