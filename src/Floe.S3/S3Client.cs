using System.Net;
using System.Security.Authentication;
using System.Xml;
using Microsoft.Extensions.Logging;

namespace Floe.S3;

/// <summary>
/// Sends requests to one bucket: signs, bounds how many go at once, retries with jittered exponential pauses, and mends what can be mended
/// (clock, keys, region). What is left over is an <see cref="ObjectStoreException"/> whose inner exception is the last <see cref="S3Fault"/>.
/// </summary>
internal sealed partial class S3Client : IDisposable
{
    private const int ControlConnections = 4;

    /// <summary>Small calls for each transfer: until a store answers they take nothing of the link.</summary>
    private const int SmallCallsPerTransfer = 4;

    /// <summary>A process may have 1024 descriptors where nobody said otherwise.</summary>
    private const int MaxSmallCalls = 256;

    /// <summary>Temporary keys last a quarter of an hour at least.</summary>
    private static readonly TimeSpan s_mayExpireAfter = TimeSpan.FromMinutes(5);

    private const int MaxErrorBytes = 64 << 10;

    private readonly StoreUrl _store;
    private readonly ObjectStoreOptions _options;
    private readonly ICredentialSource _credentials;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly HttpMessageInvoker _http;
    private readonly SigV4 _signer = new();
    private readonly SemaphoreSlim _bulkSlots;
    private readonly SemaphoreSlim _smallSlots;
    private readonly SemaphoreSlim _controlSlots = new(ControlConnections);

    private volatile S3Address? _address;
    private long _clockOffsetTicks;
    private long _failingSince;
    private readonly Lock _knownKeysGate = new();
    private AccessKeys? _knownKeys;
    private long _knownSince;
    private long _renewedAt;
    private int _renewals;

    public S3Client(StoreUrl store, ObjectStoreOptions options, ICredentialSource credentials, TimeProvider time, ILogger logger)
    {
        _store = store;
        _options = options;
        _credentials = credentials;
        _time = time;
        _logger = logger;
        _bulkSlots = new SemaphoreSlim(options.MaxConnections);
        var smallCalls = Math.Min(SmallCallsPerTransfer * options.MaxConnections, MaxSmallCalls);
        _smallSlots = new SemaphoreSlim(smallCalls);
        _http = S3Transport.Create(options.MaxConnections + ControlConnections + smallCalls, options.ConnectTimeout);
    }

    /// <summary>
    /// Sends until <paramref name="read"/> has taken a successful answer to its end. The reader runs once for each answer, so what it gathers must
    /// bear repetition; it throws <see cref="S3Fault"/> for an answer that makes no sense, to have it retried.
    /// </summary>
    public Task<T> SendAsync<T>(S3Request request, Func<S3Answer, Task<T>> read, CancellationToken cancellationToken) =>
        SendAsync(() => request, read, cancellationToken);

    /// <summary>As above for a request that changes from attempt to attempt: a download that goes on where it broke off.</summary>
    public async Task<T> SendAsync<T>(Func<S3Request> request, Func<S3Answer, Task<T>> read, CancellationToken cancellationToken)
    {
        var slots = request().Lane switch
        {
            S3Lane.Bulk => _bulkSlots,
            S3Lane.Control => _controlSlots,
            _ => _smallSlots,
        };
        await slots.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await SendInSlotAsync(request, read, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            slots.Release();
        }
    }

    /// <summary>Time since the first of the faults worth a retry that no other answer has followed; zero when there is none.</summary>
    public TimeSpan FailingFor => Interlocked.Read(ref _failingSince) is not 0 and var since ? _time.GetElapsedTime(since) : TimeSpan.Zero;

    public void Dispose()
    {
        _http.Dispose();
        _bulkSlots.Dispose();
        _smallSlots.Dispose();
        _controlSlots.Dispose();
    }

    private async Task<T> SendInSlotAsync<T>(Func<S3Request> next, Func<S3Answer, Task<T>> read, CancellationToken cancellationToken)
    {
        var (clockSets, keyRenewals, moves) = (0, 0, 0);
        var isUnanswered = false;
        for (var attempt = 1; ; attempt++)
        {
            var request = next();
            var address = await AddressAsync(cancellationToken).ConfigureAwait(false);
            var renewals = Volatile.Read(ref _renewals);
            AccessKeys keys;
            try
            {
                keys = await _credentials.GetAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (ObjectStoreException e) when (e.IsSourceAway)
            {
                Interlocked.CompareExchange(ref _failingSince, _time.GetTimestamp(), 0);
                if (attempt >= _options.MaxAttempts)
                {
                    throw;
                }

                await PauseAsync(request, e.Message, attempt, retryAfter: null, cancellationToken).ConfigureAwait(false);
                continue;
            }

            Know(keys);
            var signedAt = _time.GetUtcNow() + TimeSpan.FromTicks(Interlocked.Read(ref _clockOffsetTicks));
            S3Fault fault;
            try
            {
                var result = await AttemptAsync(request, address, keys, signedAt, read, cancellationToken).ConfigureAwait(false);
                Interlocked.Exchange(ref _failingSince, 0);
                return result;
            }
            catch (S3Fault e)
            {
                fault = e;
                isUnanswered |= e.Status is null;
            }
            catch (OperationCanceledException e) when (isUnanswered && !cancellationToken.IsCancellationRequested)
            {
                // Stopped, but an attempt before may have arrived.
                fault = new S3Fault("it was stopped", e) { IsForGood = true };
            }

            var remedy = RemedyOf(fault, address, keys, signedAt, renewals);
            if (remedy != S3Remedy.Retry)
            {
                Interlocked.Exchange(ref _failingSince, 0);
            }
            else
            {
                Interlocked.CompareExchange(ref _failingSince, _time.GetTimestamp(), 0);
            }

            switch (remedy)
            {
                case S3Remedy.SetClock when clockSets++ < 2 && fault.ServerTime is { } serverTime:
                    Interlocked.Exchange(ref _clockOffsetTicks, (serverTime - _time.GetUtcNow()).Ticks);
                    LogClockOffset((serverTime - _time.GetUtcNow()).TotalSeconds);
                    continue;

                case S3Remedy.RenewKeys when keyRenewals++ == 0 && _credentials.Invalidate(keys):
                    continue;

                case S3Remedy.ChangeRegion when moves++ == 0 && IsRegion(fault.Region) && fault.Region != address.Region:
                    _address = S3Address.For(_store.Container, _options, fault.Region!);
                    LogRegion(_store.Container, fault.Region!);
                    continue;

                case S3Remedy.Retry when attempt < _options.MaxAttempts && !fault.IsForGood && !request.IsSentOnce:
                    await PauseAsync(request, S3Errors.Reason(fault), attempt, fault.RetryAfter, cancellationToken).ConfigureAwait(false);
                    continue;

                default:
                    throw S3Errors.Map(fault, address, _store, request.Action, request.Key, attempt);
            }
        }
    }

    private async Task PauseAsync(S3Request request, string reason, int attempt, TimeSpan? retryAfter, CancellationToken cancellationToken)
    {
        var pause = Pause(attempt, retryAfter);
        LogRetry(request.Action, request.Key, reason, attempt + 1, _options.MaxAttempts, (long)pause.TotalMilliseconds);
        await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
    }

    private S3Remedy RemedyOf(S3Fault fault, S3Address address, AccessKeys keys, DateTimeOffset signedAt, int renewals)
    {
        var remedy = fault.Remedy(signedAt);
        if (remedy == S3Remedy.ChangeRegion && fault.IsHead && fault.Region == address.Region)
        {
            // It names the bucket's region with every answer; what is wrong it cannot say without a body.
            remedy = S3Remedy.RenewKeys;
        }

        return remedy == S3Remedy.RenewKeys && !MayRenew(fault, keys, renewals) ? S3Remedy.GiveUp : remedy;
    }

    /// <summary>
    /// A HEAD is refused with the same status for want of a right (403), or of a customer's key of the object (400), which new keys do not give: they are asked for
    /// at most once in a while, for whoever has to do with objects that nobody may read would else ask for them all the time. Where it is a right, which AWS does
    /// not say of expired keys, not for those that are new either.
    /// </summary>
    /// <param name="renewals">How many there were before the request had its keys.</param>
    private bool MayRenew(S3Fault fault, AccessKeys keys, int renewals)
    {
        lock (_knownKeysGate)
        {
            if (fault.IsHead)
            {
                if (keys != _knownKeys || renewals != _renewals)
                {
                    // Others have asked for new ones since: it was not refused with those.
                    return true;
                }

                if ((_renewals > 0 && _time.GetElapsedTime(_renewedAt) < s_mayExpireAfter)
                    || (fault.Status == HttpStatusCode.Forbidden && _time.GetElapsedTime(_knownSince) < s_mayExpireAfter))
                {
                    return false;
                }
            }

            _renewals++;
            _renewedAt = _time.GetTimestamp();
            return true;
        }
    }

    private void Know(AccessKeys keys)
    {
        lock (_knownKeysGate)
        {
            if (keys != _knownKeys)
            {
                (_knownKeys, _knownSince) = (keys, _time.GetTimestamp());
            }
        }
    }

    private async Task<T> AttemptAsync<T>(
        S3Request request, S3Address address, AccessKeys keys, DateTimeOffset signedAt, Func<S3Answer, Task<T>> read, CancellationToken cancellationToken)
    {
        using var watch = new ProgressWatch(_options.NoProgressTimeout, _time, cancellationToken);
        try
        {
            var path = address.PathOf(request.Key);
            using var message = new HttpRequestMessage(request.Method, address.UriOf(path, request.Query)) { Version = HttpVersion.Version11 };
            if (request.Body is { } body)
            {
                message.Content = new MemoryContent(body, watch.Touch);
            }
            else if (request.FileBody is { } range)
            {
                message.Content = new FileRangeContent(range, watch.Touch, request.Stop);
            }

            foreach (var (name, value) in request.Headers)
            {
                // Those that describe the body (Content-MD5, Content-Type, Expires) belong to it, and to nothing else.
                if (!message.Headers.TryAddWithoutValidation(name, value) && message.Content?.Headers.TryAddWithoutValidation(name, value) != true)
                {
                    throw new InvalidOperationException($"{request.Action}: the header {name} cannot be sent");
                }
            }

            _signer.Sign(message, address.Authority, path, request.Query, request.PayloadHash, keys, address.Region, signedAt);
            using var response = await _http.SendAsync(message, watch.Token).ConfigureAwait(false);
            watch.Touch();
            var answer = new S3Answer(response, watch);
            if (!response.IsSuccessStatusCode)
            {
                throw await FaultAsync(request, response, answer).ConfigureAwait(false);
            }

            return await read(answer).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested && watch.HasExpired)
        {
            throw new S3Fault($"no byte moved for {_options.NoProgressTimeout.TotalSeconds:0.#} s");
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (OperationCanceledException) when (request.Stop.IsCancellationRequested)
        {
            throw new OperationCanceledException(request.Stop);
        }
        catch (OperationCanceledException e)
        {
            // The handler's own limit on connecting.
            throw new S3Fault("connecting took too long", e);
        }
        catch (HttpRequestException e)
        {
            // A certificate that is not trusted stays so; everything else may be the network's mood.
            throw new S3Fault(e.Message, e) { IsForGood = e.InnerException is AuthenticationException { InnerException: null } };
        }
        catch (IOException e)
        {
            // The file with the body will not become longer.
            throw new S3Fault(e.Message, e) { IsForGood = e is EndOfStreamException };
        }
        catch (XmlException e)
        {
            throw new S3Fault($"the answer is no valid XML: {e.Message}", e);
        }
    }

    private static async Task<S3Fault> FaultAsync(S3Request request, HttpResponseMessage response, S3Answer answer)
    {
        var body = new S3ErrorBody(null, null, null);
        var isHead = request.Method == HttpMethod.Head;
        if (!isHead && await answer.ReadAllAsync(MaxErrorBytes).ConfigureAwait(false) is { Length: > 0 } bytes)
        {
            try
            {
                body = S3Xml.ReadError(bytes);
            }
            catch (XmlException)
            {
                // A proxy's page: the status has to do.
            }
        }

        var retryAfter = response.Headers.RetryAfter?.Delta;
        return new S3Fault(response.StatusCode, body, answer.Header("x-amz-bucket-region"), answer.ServerTime, retryAfter, isHead);
    }

    /// <summary>Regions come from the network and become part of a host name.</summary>
    private static bool IsRegion(string? text) =>
        text is { Length: > 0 and <= 32 } && text.All(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '-');

    private async ValueTask<S3Address> AddressAsync(CancellationToken cancellationToken)
    {
        if (_address is { } known)
        {
            return known;
        }

        var region = _options.Region
            ?? (_options.Endpoint is null ? await _credentials.FindRegionAsync(cancellationToken).ConfigureAwait(false) : null)
            ?? "us-east-1";
        return IsRegion(region)
            ? _address = S3Address.For(_store.Container, _options, region)
            : throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, $"'{S3Errors.Clean(region)}' is no AWS region; check AWS_REGION");
    }

    /// <summary>About 100 ms at first, doubling; half of it random, so that ten thousand tasks do not come back at once.</summary>
    private TimeSpan Pause(int attempt, TimeSpan? retryAfter)
    {
        var full = Math.Min(100 * Math.Pow(2, Math.Min(attempt - 1, 20)), _options.MaxBackoff.TotalMilliseconds);
        var pause = TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
        return retryAfter > pause ? TimeSpan.FromTicks(Math.Min(retryAfter.Value.Ticks, _options.MaxBackoff.Ticks)) : pause;
    }

    [LoggerMessage(1101, LogLevel.Warning, "{Action} {Key}: {Reason}; try {Attempt} of {MaxAttempts} in {PauseMillis} ms")]
    private partial void LogRetry(string action, string key, string reason, int attempt, int maxAttempts, long pauseMillis);

    [LoggerMessage(1102, LogLevel.Warning, "This machine's clock is {Seconds:0} s off the object store's; requests are signed with the store's time")]
    private partial void LogClockOffset(double seconds);

    [LoggerMessage(1103, LogLevel.Warning, "Bucket {Bucket} lies in region {Region}; set AWS_REGION to it to save a request")]
    private partial void LogRegion(string bucket, string region);
}
