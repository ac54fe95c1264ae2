using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>Parting a file from its object, which is to be removed or replaced: in two steps, so that a removal that fails changes nothing.</summary>
public sealed partial class FileContent
{
    // The target of a file whose object is being removed: nothing goes there meanwhile.
    private ContentTarget? _leaving;

    /// <summary>
    /// The first step. When it returns nothing is on its way to the object, and nothing goes there until the result is disposed of. If the file is
    /// open all its bytes are here by then, and stay: one that the cache has no room for stays what it was (<see cref="ContentErrorKind.NoSpace"/>).
    /// If not, nobody needs them, and nobody may open it until the end. What is going up stops early.
    /// </summary>
    public async Task<Detachment> PrepareDetachAsync(bool isOpen, CancellationToken cancellationToken)
    {
        var detachment = new Detachment(this, isOpen);
        try
        {
            if (isOpen)
            {
                // Not all at once: every request has a buffer.
                var step = _store.Options.MaxDownloads * MaxFetchBytes / BlockMap.BlockBytes;
                for (var block = 0L; block < BlockMap.BlocksOf(Size); block += step)
                {
                    await FetchAsync(block, Math.Min(block + step, BlockMap.BlocksOf(Size)), cancellationToken).ConfigureAwait(false);
                }
            }

            detachment.Leave();
            await GoFirstAsync(cancellationToken).ConfigureAwait(false);
            detachment.HoldsGate = true;

            // Holes that a publication has made the object's meanwhile.
            if (isOpen && !await TryFetchAsync(0, BlockMap.BlocksOf(Size), cancellationToken).ConfigureAwait(false))
            {
                throw LostUpload();
            }

            return detachment;
        }
        catch
        {
            detachment.Dispose();
            throw;
        }
    }

    /// <summary>A file that is about to lose its object. Disposed of without <see cref="CompleteAsync"/>, it is as it was.</summary>
    public sealed class Detachment : IDisposable
    {
        private readonly FileContent _content;
        private readonly bool _isOpen;
        private ObjectVersion? _base;
        private bool _isDone;

        internal Detachment(FileContent content, bool isOpen)
        {
            (_content, _isOpen) = (content, isOpen);
            using (content._fill.Take())
            {
                lock (content._lock)
                {
                    content._pins += isOpen ? 1 : 0;
                }
            }
        }

        /// <summary>Nothing more is sent, when what is wanted of it is here.</summary>
        internal void Leave()
        {
            using (_content._fill.Take())
            {
                lock (_content._lock)
                {
                    _base = _content._base;
                    (_content._leaving, _content._target) = (_content._target, null);
                    foreach (var sending in _content._sending.Values)
                    {
                        _ = sending.Stop.CancelAsync();
                    }
                }
            }
        }

        internal bool HoldsGate { get; set; }

        /// <summary>The second step, when the object is gone: who has the file open reads on, and nothing of it goes anywhere any more.</summary>
        public async Task CompleteAsync()
        {
            lock (_content._lock)
            {
                _content._target = _content._leaving = null;
                _isDone = true;
                if (_isOpen)
                {
                    _content._base = null;
                    _content._baseLimit = 0;
                }
            }

            if (_content.TakeSession() is { } session)
            {
                _content._store.Abandon(session);
            }

            if (!_isOpen)
            {
                // Nobody can open it any more.
                await _content.TruncateAsync(0, CancellationToken.None).ConfigureAwait(false);
            }
        }

        public void Dispose()
        {
            if (!_isDone)
            {
                lock (_content._lock)
                {
                    _content._pins -= _isOpen ? 1 : 0;
                    if (_content._leaving is { } target)
                    {
                        (_content._target, _content._leaving) = (target, null);
                        // What was on its way when this began may have arrived.
                        _content._expected = _content._base != _base ? _content._base?.ETag : _content._expected;
                    }
                }
            }

            _content.NoteLetGo();
            if (HoldsGate)
            {
                _content._publishGate.Release();
                HoldsGate = false;
            }

            _content.PublishInBackground();
        }
    }
}
