using Floe.S3;
using Floe.Store.Leases;
using Floe.Store.Manifests;
using Floe.Store.Packs;
using Microsoft.Extensions.Logging;

namespace Floe.Store;

/// <summary>A held lease, renewed in the background every third of its ttl until released or disposed.</summary>
public sealed partial class Lease : IAsyncDisposable
{
    private const int MaxAdoptions = 4;

    /// <summary>Between two tries to remove the lease's object.</summary>
    private static readonly TimeSpan s_removalPause = TimeSpan.FromSeconds(1);

    private readonly LeaseFile _file;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _turn = new(1);
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _takenOver = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _standingLock = new();
    private readonly TimeSpan _ttl;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private LeaseDocument _document;
    private ETag _etag;
    private LeaseStanding _standing = LeaseStanding.Held;
    private long _confirmed;
    private long _lastNumber;
    private Task _renewal = Task.CompletedTask;

    internal Lease(TaskKey task, LeaseFile file, LeaseDocument document, ETag etag, long confirmed, LeaseInfo? takenFrom, TimeProvider time, ILogger logger)
    {
        Key = task;
        _file = file;
        _document = document;
        _etag = etag;
        _confirmed = confirmed;
        _ttl = LeaseFile.Ttl(document);
        TakenFrom = takenFrom;
        _time = time;
        _logger = logger;
    }

    public TaskKey Key { get; }

    public long Generation => _document.Generation;

    /// <summary>The agent that held the lease before; null when there was none.</summary>
    public LeaseInfo? TakenFrom { get; }

    /// <summary>How a lease is left under which nothing of the task has run: what was known of its newest snapshot still holds.</summary>
    public LeaseState StateAsTaken => TakenFrom is { State: LeaseState.HandedOver } ? LeaseState.HandedOver : LeaseState.Released;

    public LeaseStanding Standing
    {
        get
        {
            lock (_standingLock)
            {
                return _standing;
            }
        }
    }

    /// <summary>Cancelled for good when another agent has the lease. Not by an unreachable store: see <see cref="LeaseStanding.Unconfirmed"/>.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Cancelled before <see cref="Lost"/> where there is another agent; not where somebody removed the task from the store.</summary>
    public CancellationToken TakenOver => _takenOver.Token;

    internal string Incarnation => _document.Incarnation;

    internal string HolderId => _document.HolderId;

    /// <summary>The slot that the next commit takes.</summary>
    internal long NextSeq { get; set; }

    /// <summary>The snapshots that the task's state here came from, oldest first: those found, as far as it goes on from them, and the holder's own. Replaced, never changed.</summary>
    internal IReadOnlyList<long> Seqs { get; private set; } = [];

    /// <summary>Ends when <see cref="Standing"/> is no longer <paramref name="standing"/>, with the new one.</summary>
    public async Task<LeaseStanding> WaitForChangeAsync(LeaseStanding standing, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_standingLock)
            {
                if (_standing != standing)
                {
                    return _standing;
                }

                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The task goes on from this snapshot, because no later one could be restored. Those count no more among the ones to be kept,
    /// so that they never push out the one that is known to be good.
    /// </summary>
    public void GoOnFrom(long seq) => Seqs = [.. Seqs.Where(s => s <= seq)];

    /// <summary>Renews now by compare-and-swap; <see cref="LeaseLostException"/> when the lease is another's.</summary>
    public async Task RenewAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await WriteAsync(LeaseState.Held, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>
    /// Makes sure that this is a lease: of a store that ignores conditions on writes two agents could have it at a time, and each would take the other's
    /// snapshots for its own.
    /// </summary>
    /// <exception cref="ObjectStoreException">It is such a store (Unsupported), or cannot be asked.</exception>
    public async Task RequireConditionsAsync(CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (!await _file.HonorsConditionsAsync(_document, cancellationToken).ConfigureAwait(false))
            {
                throw new ObjectStoreException(
                    ObjectStoreErrorKind.Unsupported,
                    "the store ignores If-None-Match or If-Match on PUT, so two machines could run one task; use a service, or a newer version of this one, that does conditional writes");
            }
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Gives the lease back, so that the next agent need not wait. Nothing happens when it is lost already.</summary>
    public async Task ReleaseAsync(LeaseState state, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfEqual((int)state, (int)LeaseState.Held);
        await StopRenewingAsync().ConfigureAwait(false);
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (Standing is LeaseStanding.Held or LeaseStanding.Unconfirmed)
            {
                await WriteAsync(state, cancellationToken).ConfigureAwait(false);
                Become(LeaseStanding.Released);
            }
        }
        catch (LeaseLostException)
        {
            // Whoever has it now needs nothing from us.
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Stops renewing. Without a release before, the next agent waits for the ttl.</summary>
    public async ValueTask DisposeAsync() => await StopRenewingAsync().ConfigureAwait(false);

    internal void AddSeqs(params IEnumerable<long> seqs) => Seqs = [.. Seqs, .. seqs];

    internal void StartRenewing() => _renewal = Task.Run(RenewInBackgroundAsync, CancellationToken.None);

    /// <summary>A pack or index name never given before in this task.</summary>
    internal PackName NextName() => new(Generation, Interlocked.Increment(ref _lastNumber));

    /// <summary>
    /// Removes the lease's object, once all else of the task is gone. A store knows no condition on that, so it is renewed first and has half of its ttl to go:
    /// nobody can have taken it by then. But the next agent writes its own as soon as there is none, so whoever asks again where an answer was lost could remove that:
    /// before each further request it is looked at whose it is.
    /// </summary>
    /// <exception cref="LeaseLostException">It is another's, and stays.</exception>
    /// <exception cref="ObjectStoreException">The store takes too long: it stays until the next agent has waited for its ttl.</exception>
    internal async Task RemoveAsync(CancellationToken cancellationToken)
    {
        await StopRenewingAsync().ConfigureAwait(false);
        await RenewAsync(cancellationToken).ConfigureAwait(false);
        var left = (_ttl / 2) - _time.GetElapsedTime(Interlocked.Read(ref _confirmed));
        using var limit = new CancellationTokenSource(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            while (!await TryRemoveAsync(either.Token).ConfigureAwait(false))
            {
                await Task.Delay(s_removalPause, _time, either.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, $"the store did not remove {_file.Key} in time");
        }

        Become(LeaseStanding.Released);
    }

    /// <summary>False: it is there still, and own.</summary>
    private async Task<bool> TryRemoveAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _file.DeleteOnceAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ObjectStoreException passing) when (passing.Kind is ObjectStoreErrorKind.Unavailable or ObjectStoreErrorKind.Busy && !cancellationToken.IsCancellationRequested)
        {
            return await _file.ReadAsync(cancellationToken).ConfigureAwait(false) is not { } found
                || found.Document.Generation != Generation || found.Document.HolderId != HolderId || found.Document.Incarnation != Incarnation;
        }
    }

    /// <summary>Writes the next state of the lease over the one this holder wrote last. Called in turn.</summary>
    private async Task WriteAsync(LeaseState state, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            if (Standing is LeaseStanding.Lost or LeaseStanding.Released)
            {
                throw new LeaseLostException($"this agent's lease of task {Key} (generation {Generation}) is over");
            }

            var started = _time.GetTimestamp();
            var next = _document with { State = state, Renewals = _document.Renewals + 1, RenewedAt = _time.GetUtcNow() };
            if (await _file.TryWriteAsync(next, _etag, cancellationToken).ConfigureAwait(false) is { } etag)
            {
                _document = next;
                _etag = etag;
                Interlocked.Exchange(ref _confirmed, started);
                Become(LeaseStanding.Held);
                return;
            }

            // An earlier renewal that was given up waiting for may have arrived after all: then the lease is still ours.
            var found = await _file.ReadAsync(cancellationToken).ConfigureAwait(false);
            if (found is not { } current || current.Document.Generation != Generation || current.Document.HolderId != HolderId
                || current.Document.Incarnation != Incarnation || current.Document.State != LeaseState.Held || attempt == MaxAdoptions)
            {
                Become(LeaseStanding.Lost);
                await (found is null ? Task.CompletedTask : _takenOver.CancelAsync()).ConfigureAwait(false);
                await _lost.CancelAsync().ConfigureAwait(false);
                throw new LeaseLostException(found is { } taken
                    ? $"task {Key} was taken over by {taken.Document.HolderId} on {taken.Document.Host} (generation {taken.Document.Generation}, own {Generation})"
                    : $"task {Key} was removed from the store");
            }

            _document = current.Document;
            _etag = current.ETag;
        }
    }

    private async Task RenewInBackgroundAsync()
    {
        var wait = _ttl / 3;
        while (true)
        {
            try
            {
                await Task.Delay(wait, _time, _stop.Token).ConfigureAwait(false);
                using var limit = new CancellationTokenSource(_ttl / 3, _time);
                using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, _stop.Token);
                await RenewAsync(either.Token).ConfigureAwait(false);
                wait = _ttl / 3;
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (LeaseLostException lost)
            {
                LogLost(_logger, lost.Message);
                return;
            }
            catch (Exception failure)
            {
                var unconfirmed = _time.GetElapsedTime(Interlocked.Read(ref _confirmed));
                LogNotRenewed(_logger, Key.Value, (long)unconfirmed.TotalSeconds, failure.Message);
                if (unconfirmed >= _ttl)
                {
                    Become(LeaseStanding.Unconfirmed);
                }

                wait = _ttl / 10;
            }
        }
    }

    private async Task StopRenewingAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _renewal.ConfigureAwait(false);
    }

    private void Become(LeaseStanding standing)
    {
        lock (_standingLock)
        {
            if (_standing == standing || _standing is LeaseStanding.Lost or LeaseStanding.Released)
            {
                return;
            }

            _standing = standing;
            _changed.TrySetResult();
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    [LoggerMessage(2001, LogLevel.Error, "{Message}")]
    private static partial void LogLost(ILogger logger, string message);

    [LoggerMessage(2002, LogLevel.Warning, "The lease of task {Task} was last renewed {Seconds} s ago: {Reason}")]
    private static partial void LogNotRenewed(ILogger logger, string task, long seconds, string reason);
}
