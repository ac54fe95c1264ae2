using System.Globalization;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Run;

/// <summary>Keeps an agent's log in the store: soon after it was started, then every minute in which something was logged, and at the end.</summary>
internal sealed partial class LogUpload : IAsyncDisposable
{
    private static readonly TimeSpan s_first = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    private readonly LogKeeper _log;
    private readonly IObjectStore _objects;
    private readonly ObjectKey _key;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _writing;
    private long _written;
    private bool _complained;

    public LogUpload(LogKeeper log, IObjectStore objects, ObjectKey key, TimeProvider time, ILogger logger)
    {
        (_log, _objects, _key, _time, _logger) = (log, objects, key, time, logger);
        _writing = WriteAsync();
    }

    /// <summary>Each attempt has its own, so that none writes over what another has to say.</summary>
    public static ObjectKey Key(int attempt) => new(string.Create(CultureInfo.InvariantCulture, $"attempt-{attempt}.log"));

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _writing.ConfigureAwait(false);
        await FlushAsync().ConfigureAwait(false);
        _stop.Dispose();
    }

    /// <summary>Now, if anything was logged since the last time.</summary>
    public async Task FlushAsync()
    {
        using var limit = new CancellationTokenSource(s_patience, _time);
        await PutAsync(limit.Token).ConfigureAwait(false);
    }

    private async Task WriteAsync()
    {
        try
        {
            for (var pause = s_first; ; pause = s_pause)
            {
                await Task.Delay(pause, _time, _stop.Token).ConfigureAwait(false);
                await PutAsync(_stop.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task PutAsync(CancellationToken cancellationToken)
    {
        var (text, version) = _log.Read();
        if (version == _written)
        {
            return;
        }

        try
        {
            await _objects.PutAsync(_key, text, PutCondition.None, cancellationToken).ConfigureAwait(false);
            _written = version;
        }
        catch (Exception e) when (e is ObjectStoreException or OperationCanceledException)
        {
            // The same lines are on stderr; the task does not depend on them.
            if (!_complained && !_stop.IsCancellationRequested)
            {
                _complained = true;
                LogFailed(e.Message);
            }
        }
    }

    [LoggerMessage(EventId = 4620, Level = LogLevel.Warning, Message = "This log could not be put into the store: {Reason}")]
    private partial void LogFailed(string reason);
}
