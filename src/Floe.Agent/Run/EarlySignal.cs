using System.Runtime.InteropServices;
using Floe.Agent.Namespaces;
using Floe.S3;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>What a signal means that comes before anything of the task runs here: to end at once, with nothing changed, is then as good as a snapshot.</summary>
internal sealed partial class EarlySignal(RunOptions options, TimeProvider time, ILoggerFactory loggers)
{
    // A service manager's patience is short, and the store may be what the run was waiting for.
    private static readonly TimeSpan s_storePatience = TimeSpan.FromSeconds(5);

    private readonly ILogger _logger = loggers.CreateLogger<EarlySignal>();

    /// <summary>
    /// Whether SIGTERM waits for the supervisor. Where only the machine's own end counts the run must not end before: the task is restored, snapshotted if there
    /// is time, and stays.
    /// </summary>
    public async Task<bool> IsForSupervisorAsync() =>
        options.After != AfterSnapshot.Exit
        && (options is { After: AfterSnapshot.Stay, OnTerm: TermPolicy.Snapshot } || await IsReclaimedAsync().ConfigureAwait(false));

    /// <summary>What the run exits with: as the signal would end any program, or "run me again" where the machine goes and there is something to go on from.</summary>
    /// <param name="store">Null when it is not open yet.</param>
    public async Task<int> StatusAsync(PosixSignal signal, SnapshotStore? store, TaskKey key)
    {
        var goesOn = signal == PosixSignal.SIGTERM
            && (options.OnTerm == TermPolicy.Snapshot || await IsReclaimedAsync().ConfigureAwait(false))
            && await HasSnapshotAsync(store, key).ConfigureAwait(false);
        LogEnded(signal.ToString(), goesOn ? "run the same line again, and it goes on from its snapshot" : "nothing was started");
        return goesOn ? ExitCodes.Snapshotted : 128 + PassedSignals.Number(signal);
    }

    private async Task<bool> IsReclaimedAsync()
    {
        using var stop = new CancellationTokenSource();
        var watch = new ReclaimWatch(options.ReturnAfter, static _ => { }, time, stop.Token);
        using var notices = new NoticeWatch(options, time, loggers);
        notices.Start(watch.Watch);
        var isPending = await watch.IsPendingAsync().ConfigureAwait(false);
        await stop.CancelAsync().ConfigureAwait(false);
        return isPending;
    }

    private async Task<bool> HasSnapshotAsync(SnapshotStore? store, TaskKey key)
    {
        using var limit = new CancellationTokenSource(s_storePatience, time);
        try
        {
            if (store is not null)
            {
                return await HasSnapshotAsync(store, key, limit.Token).ConfigureAwait(false);
            }

            await using var objects = await Task.Run(() => ObjectStores.Open(options.Store, StoreOptions.FromEnvironment(), loggers, time), limit.Token)
                .WaitAsync(limit.Token).ConfigureAwait(false);
            store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions { TimeProvider = time, Logger = _logger }, false, limit.Token).ConfigureAwait(false);
            return await HasSnapshotAsync(store, key, limit.Token).ConfigureAwait(false);
        }
        catch (ObjectStoreException none) when (none.Kind == ObjectStoreErrorKind.NotFound)
        {
            return false;
        }
        catch (Exception e)
        {
            // The run is over, whatever the store says; without its word nothing is promised.
            LogNotAsked(e.Message);
            return false;
        }
    }

    private static async Task<bool> HasSnapshotAsync(SnapshotStore store, TaskKey key, CancellationToken cancellationToken) =>
        (await store.ListSnapshotsAsync(key, cancellationToken).ConfigureAwait(false)).Any(listing => listing.Manifest is not null);

    [LoggerMessage(EventId = 4612, Level = LogLevel.Warning, Message = "{Signal} before anything of the task ran here: the run ends; {WhatNow}")]
    private partial void LogEnded(string signal, string whatNow);

    [LoggerMessage(EventId = 4613, Level = LogLevel.Warning, Message = "Whether the task has snapshots is not known: {Reason}")]
    private partial void LogNotAsked(string reason);
}
