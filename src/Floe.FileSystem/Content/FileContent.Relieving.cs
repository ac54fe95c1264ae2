namespace Floe.FileSystem.Content;

/// <summary>What a file does for room in a full cache, or may do yet.</summary>
public sealed partial class FileContent
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pauseWhenRefused = TimeSpan.FromSeconds(30);

    // Why the last part that was tried is not up: sending more to make room is of no use until one is, or a publication has been tried again. Not longer
    // than there is one to send.
    private ContentException? _stuckBy;

    // When something of the file failed to go up last, and how often it has been tried again since something did.
    private long _failedAt;
    private int _retries;

    /// <summary>Why the file's bytes are not in the bucket though they were tried: all of a closed file, a part of an open one. Null: they were not.</summary>
    internal ContentException? NotSentBy
    {
        get
        {
            lock (_lock)
            {
                return _target is null || _changes == _published ? null : _writers > 0 ? _stuckBy : Failure;
            }
        }
    }

    /// <summary>Sends what is full and unsent, to make room. False: there is nothing.</summary>
    internal bool Relieve()
    {
        List<int> parts = [];
        lock (_lock)
        {
            if (_target is null || _size < PartGrid.MinPartBytes || _local is null || _stuckBy is not null || _isImported)
            {
                return false;
            }

            for (var part = 1; part <= PartGrid.Count(_size); part++)
            {
                if (IsWaiting(part) && part != _activePart)
                {
                    parts.Add(part);
                }
            }

            if (parts.Count == 0 && _sending.Count == 0 && IsWaiting(_activePart))
            {
                // It may well change again, but there is nothing else.
                parts.Add(_activePart);
            }
        }

        parts.ForEach(StartSending);
        return parts.Count > 0;
    }

    /// <summary>
    /// For a writer who has no room while nothing goes on by itself: tries again what failed to go up, if its pause is over. Of the parts of an open
    /// file one: when it is up <see cref="Relieve"/> has the others sent. True: something is on its way.
    /// </summary>
    internal bool TryAgain()
    {
        var part = 0;
        lock (_lock)
        {
            if (NotSentBy is not { Kind: not (ContentErrorKind.Conflict or ContentErrorKind.TooLarge) } error || _isImported
                || _store.Time.GetElapsedTime(_failedAt) < PauseAfter(error))
            {
                return false;
            }

            if (_writers > 0)
            {
                part = Enumerable.Range(1, PartGrid.Count(_size)).FirstOrDefault(IsWaiting);
                if (part == 0)
                {
                    return false;
                }
            }
            else if (_isQueued)
            {
                return false;
            }

            // Nobody else begins meanwhile.
            _retries++;
            _failedAt = _store.Time.GetTimestamp();
        }

        if (part > 0)
        {
            StartSending(part);
        }
        else
        {
            PublishInBackground();
        }

        return true;
    }

    /// <summary>So long a writer may wait for what this file has in the cache though nothing is on its way.</summary>
    /// <param name="isWriters">It is the file that is written to, which its writer will not close meanwhile.</param>
    internal TimeSpan Patience(bool isWriters)
    {
        lock (_lock)
        {
            var error = NotSentBy;
            if (_blocks.PresentCount == 0)
            {
                return TimeSpan.Zero;
            }

            // One that is closed and did not fail is about to go up, or to be dropped; in a rename or a removal, when that has its answer.
            return _holds > 0 || _leaving is not null || (error is not null && ContentErrors.MayPass(error)) ? _store.Options.RetryPatience
                : !isWriters && (error is null || _readers + _writers > 0) ? _store.Options.ClosePatience : TimeSpan.Zero;
        }
    }

    /// <summary>
    /// A rename or a removal is over: what waited for it goes up. For those who wait on that it is as if it had been closed now; of one that was, and stood
    /// at the gate, nobody else would tell them.
    /// </summary>
    private void NoteLetGo()
    {
        lock (_lock)
        {
            if (_changes != _published && _writers == 0 && _target is not null && !HasFailed)
            {
                _store.NoteRoom();
            }
        }
    }

    /// <summary>Growing, but for a service that has taken something since. A single try has pauses of its own, and takes most of a minute.</summary>
    private TimeSpan PauseAfter(ContentException error)
    {
        if (!ContentErrors.MayPass(error))
        {
            return s_pauseWhenRefused;
        }

        var pause = s_firstPause * (_failedAt < _store.ArrivedAt ? 1 : 1 << Math.Min(_retries, 10));
        return pause < s_longestPause ? pause : s_longestPause;
    }

    // Under the lock, as all below.
    private bool IsWaiting(int part) => part > 0 && IsFull(part) && !IsSent(part) && !_sending.ContainsKey(part) && HasDirty(part);

    /// <summary>The file was cut: perhaps what failed to go up is gone.</summary>
    private void NotePartsLeft()
    {
        if (_stuckBy is not null && !Enumerable.Range(1, PartGrid.Count(_size)).Any(IsWaiting))
        {
            _stuckBy = null;
        }
    }

    private void NoteFailed() => _failedAt = _store.Time.GetTimestamp();

    private bool HasFailed => _stuckBy is not null || Failure is not null;
}
