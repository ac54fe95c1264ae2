using System.Buffers;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// Small files, which go up in one request when it is their turn among all that are closed. Till then they keep the gate of publications from nobody.
/// </summary>
public sealed partial class FileContent
{
    // Renames and removals that wait for the gate of publications. They hold a folder, and take a moment.
    private int _goFirst;

    // While a small file waits in that gate for its turn among all closed files.
    private CancellationTokenSource? _queueing;

    /// <summary>Enters the gate of publications, for a change of the name: before one that has not come to its turn or sends parts, and a copy for new attributes comes to nothing.</summary>
    private async Task GoFirstAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _goFirst++;
            _ = _queueing?.CancelAsync();
            _ = _renewal?.CancelAsync();
            _ = _sendingAll?.CancelAsync();
        }

        try
        {
            await _publishGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            lock (_lock)
            {
                _goFirst--;
            }
        }
    }

    // While a publication sends parts.
    private CancellationTokenSource? _sendingAll;

    private bool TryQueue(CancellationTokenSource queueing)
    {
        lock (_lock)
        {
            _queueing = _goFirst == 0 ? queueing : null;
            return _queueing is not null;
        }
    }

    private void EndQueueing()
    {
        lock (_lock)
        {
            _queueing = null;
        }
    }

    /// <summary>
    /// A small file in one request, from a copy, so that writers do not wait for the bucket. False: it is not small any more, or is written again, or
    /// somebody wanted the gate before it was this file's turn.
    /// </summary>
    private async Task<bool> PutAsync(bool isForced, CancellationToken cancellationToken)
    {
        using var queueing = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (!TryQueue(queueing))
        {
            return false;
        }

        try
        {
            return await PutInTurnAsync(isForced, queueing.Token, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (queueing.IsCancellationRequested && !cancellationToken.IsCancellationRequested && !_store.Stopping.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            EndQueueing();
        }
    }

    /// <param name="queueing">Ends only waiting for a turn; a request that is on its way is not broken off.</param>
    private async Task<bool> PutInTurnAsync(bool isForced, CancellationToken queueing, CancellationToken cancellationToken)
    {
        byte[]? buffer = null;
        bool? isLarge = null;
        try
        {
            long changes;
            int size;
            ContentTarget target;
            isLarge = await EnterWithMemoryAsync(queueing).ConfigureAwait(false);
            try
            {
                lock (_lock)
                {
                    if (_size > PartGrid.MinPartBytes || _target is null || _session is not null || (!isForced && _writers > 0))
                    {
                        return false;
                    }

                    if (HasAwayIn(1, PartGrid.Count(_size)))
                    {
                        throw LostUpload();
                    }

                    (size, target, _capLimit) = ((int)_size, _target, long.MaxValue);
                }

                buffer = ArrayPool<byte>.Shared.Rent(Math.Max(size, 1));
                await ReadWithoutCachingAsync(0, buffer.AsMemory(0, size), cancellationToken).ConfigureAwait(false);
                lock (_lock)
                {
                    // What was written through mappings is found as it is read, and goes up with the rest.
                    changes = _changes;
                }
            }
            finally
            {
                _gate.Release();
            }

            var body = buffer.AsMemory(0, size);
            var writeId = WriteIdOf(target, changes);
            await MapAsync(() => _store.UploadAsync(
                _ => MakeObjectAsync(
                    target, size, changes, session: null, writeId,
                    client => client.PutAsync(target.Key, body, _store.HeadersOf(target) with { WriteId = writeId }, Condition(), _store.Stopping)),
                queueing)).ConfigureAwait(false);
            return true;
        }
        finally
        {
            if (isLarge is { } slot)
            {
                _store.LeaveSmall(slot);
            }

            if (buffer is not null)
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}
