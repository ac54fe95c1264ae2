namespace Floe.FileSystem.Content;

/// <summary>The multipart upload under way: its beginning, and its ends other than the object.</summary>
public sealed partial class FileContent
{
    private readonly SemaphoreSlim _sessionGate = new(1);
    private UploadSession? _session;

    // While the upload is being made the object.
    private TaskCompletionSource? _completion;

    /// <summary>The upload under way; begins one.</summary>
    private async Task<UploadSession> SessionAsync(CancellationToken cancellationToken)
    {
        await _sessionGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ContentTarget target;
            lock (_lock)
            {
                if (_session is { } known)
                {
                    return known;
                }

                target = _target ?? throw new OperationCanceledException();
            }

            // Not cut off when the part changes: an upload whose answer is lost would stay in the bucket.
            var headers = _store.HeadersOf(target);
            var ticket = await _store.Client(target.Bucket).CreateUploadAsync(target.Key, headers, _store.Stopping).ConfigureAwait(false);
            var session = new UploadSession(ticket, target.Bucket, headers.Metadata);
            lock (_lock)
            {
                if (_target == target && _changes != _published)
                {
                    return _session = session;
                }
            }

            // Removed meanwhile, or published as a small file.
            await _store.AbortAsync(session).ConfigureAwait(false);
            throw new OperationCanceledException();
        }
        finally
        {
            _sessionGate.Release();
        }
    }

    /// <summary>Under the lock: if the file is uploaded again it is by another upload. One that belongs to a snapshot stays.</summary>
    private void AbandonSession()
    {
        if (TakeSession() is { } session)
        {
            _store.Abandon(session);
        }
    }

    /// <summary>False: it is another already, or none.</summary>
    private bool ForgetSession(UploadSession session)
    {
        lock (_lock)
        {
            var isKnown = _session == session;
            _session = isKnown ? null : _session;
            return isKnown;
        }
    }

    /// <summary>Nothing more goes into the upload: parts on their way stop, and are sent again if they are wanted.</summary>
    internal UploadSession? TakeSession()
    {
        lock (_lock)
        {
            var session = _session;
            _session = null;
            if (session is not null)
            {
                foreach (var sending in _sending.Values)
                {
                    _ = sending.Stop.CancelAsync();
                }
            }

            return session;
        }
    }
}
