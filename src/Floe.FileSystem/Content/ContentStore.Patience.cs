using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Content;

/// <summary>Writers whom the full cache has no room for while nothing is on its way: how long it is worth waiting all the same.</summary>
public sealed partial class ContentStore
{
    private readonly Lock _retrying = new();

    // Since when no write has found room and nothing new has gone up; 0: one has, or something does.
    private long _stillSince;
    private long _toldOf;
    private long _arrivedAt;
    private CancellationTokenSource? _diskWatch;

    /// <summary>When something reached the bucket last.</summary>
    internal long ArrivedAt => Volatile.Read(ref _arrivedAt);

    internal void NoteArrived() => Volatile.Write(ref _arrivedAt, Time.GetTimestamp());

    /// <summary>A write has found room, or something goes up for the first time: whoever waits may hope anew.</summary>
    internal void NoteRoom()
    {
        if (Volatile.Read(ref _stillSince) != 0)
        {
            Volatile.Write(ref _stillSince, 0);
        }
    }

    /// <summary>The time since then counts for no writer's patience. Nobody has made room in it: who is refused at once is so afterwards.</summary>
    private void ForgetTimeSince(long began)
    {
        var (now, since) = (Time.GetTimestamp(), Volatile.Read(ref _stillSince));
        if (since != 0)
        {
            _ = Interlocked.CompareExchange(ref _stillSince, since + now - Math.Max(since, began), since);
        }
    }

    /// <summary>Cancelled when the disk has refused somebody a number of times who is being frozen. The one that was given before is not any more.</summary>
    internal CancellationToken WatchDisk()
    {
        var watch = new CancellationTokenSource();
        Volatile.Write(ref _diskWatch, watch);
        return watch.Token;
    }

    /// <summary>Nobody who stands still makes room on the disk. Whoever waits for all to be written is told; the write itself waits on.</summary>
    internal void NoteDiskRefuses() => _ = Interlocked.Exchange(ref _diskWatch, null)?.CancelAsync();

    /// <summary>
    /// Whether others may close their files yet, or what failed to go up may pass. The time counts for all writers together and not for each: a
    /// program that writes on after an error is not held up every time. Nor does it for those who are being frozen, with whom nobody can close anything.
    /// </summary>
    internal bool IsWorthWaiting(FileContent writer, bool isBeingFrozen)
    {
        var now = Time.GetTimestamp();
        var since = Interlocked.CompareExchange(ref _stillSince, now, 0);
        var patience = TimeSpan.Zero;
        foreach (var content in Contents())
        {
            var its = content.Patience(isWriters: content == writer);
            patience = its > patience ? its : patience;
        }

        var isInTime = Time.GetElapsedTime(since == 0 ? now : since, now) < patience || (isBeingFrozen && patience > TimeSpan.Zero);
        return isInTime && !_stop.IsCancellationRequested;
    }

    /// <summary>Tries again what failed to go up, a few at once: they show whether it passed. False: there is nothing, or its pause is not over.</summary>
    internal bool TryAgain()
    {
        lock (_retrying)
        {
            var started = 0;
            foreach (var content in Space.IsIdle ? Contents() : [])
            {
                started += content.TryAgain() ? 1 : 0;
                if (started == Options.MaxUploads)
                {
                    break;
                }
            }

            return started > 0 || !Space.IsIdle;
        }
    }

    /// <summary>The error of a write that waits no longer, with what else is in its way.</summary>
    internal ContentException Refuse(ContentException error)
    {
        var failed = Contents().Find(c => c.NotSentBy is not null);
        var told = failed?.NotSentBy is { } reason ? new ContentException(error.Kind, $"{error.Message}; {failed.Target} fails to go up: {reason.Message}", error) : error;
        var since = Volatile.Read(ref _stillSince);
        if (Interlocked.Exchange(ref _toldOf, since) != since)
        {
            LogRefused(told.Message);
        }

        return told;
    }

    [LoggerMessage(1309, LogLevel.Warning, "A write has no room (ENOSPC): {Reason}")]
    private partial void LogRefused(string reason);

    private bool Relieve()
    {
        // What has waited for the end of a hold is on its way from now on.
        var isStarted = LetGo();
        foreach (var content in Contents().Where(c => c.IsDirty))
        {
            isStarted |= content.Relieve();
        }

        return isStarted;
    }
}
