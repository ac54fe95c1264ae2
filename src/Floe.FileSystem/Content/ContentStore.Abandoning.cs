using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Content;

/// <summary>Multipart uploads that nobody goes on with.</summary>
public sealed partial class ContentStore
{
    private static readonly TimeSpan s_abortPatience = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<UploadSession, Task> _aborts = [];

    // Snapshots refer to parts of these.
    private readonly ConcurrentDictionary<UploadSession, bool> _left = [];

    /// <summary>
    /// With the task's snapshots removed: aborts the uploads that were left for their sake. Never throws. Those that an earlier machine left are for
    /// <c>floe gc</c>.
    /// </summary>
    public Task AbortLeftAsync() => Task.WhenAll(_left.Keys.Where(s => _left.TryRemove(s, out _)).Select(AbortAsync));

    /// <summary>Aborts an upload in the background; one that a snapshot refers to stays, until there is none any more.</summary>
    internal void Abandon(UploadSession session)
    {
        if (_handedOver.IsCancellationRequested)
        {
            return;
        }

        if (session.Sealed.Count > 0)
        {
            _left[session] = true;
        }
        else
        {
            _aborts[session] = AbortAsync(session);
        }
    }

    /// <summary>Never throws: what stays is found by <c>floe gc</c>.</summary>
    internal async Task AbortAsync(UploadSession session)
    {
        try
        {
            // A part that ends after the abort may stay in the bucket, and the upload with it.
            await session.Idle.WaitAsync(s_abortPatience, Time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using var limit = new CancellationTokenSource(s_abortPatience, Time);
            await Client(session.Bucket).AbortUploadAsync(session.Ticket.Key, session.Ticket.UploadId, limit.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is Floe.S3.ObjectStoreException or OperationCanceledException or ObjectDisposedException)
        {
            LogNotAborted(session.Bucket, session.Ticket.Key, e.Message);
        }
        finally
        {
            _aborts.TryRemove(session, out _);
        }
    }

    /// <summary>What a capture sealed stays sealed for its snapshot, or is free again: the task runs on, and changes parts as before.</summary>
    private void EndCapture(bool isDropped)
    {
        foreach (var content in Contents())
        {
            content.EndCapture(isDropped);
        }

        // Given up since the capture, by a task that ran on before this was called.
        foreach (var session in _left.Keys)
        {
            session.EndCapture(isDropped);
            if (session.Sealed.Count == 0 && _left.TryRemove(session, out _))
            {
                Abandon(session);
            }
        }
    }

    [LoggerMessage(1303, LogLevel.Warning, "An unfinished upload of s3://{Bucket}/{Key} could not be aborted ({Reason}); floe gc removes it")]
    private partial void LogNotAborted(string bucket, string key, string reason);
}
