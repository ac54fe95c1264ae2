using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Floe.Aws;

/// <summary>Text of a 200 answer and the service's clock when it gave it.</summary>
internal sealed record ImdsAnswer(string Text, DateTimeOffset? ServerTime);

/// <summary>Requests with a session token: bounded in time and size, no proxy, no redirects.</summary>
internal sealed class ImdsTransport : IDisposable
{
    private const string TokenHeader = "X-aws-ec2-metadata-token";
    private const string TokenTtlHeader = "X-aws-ec2-metadata-token-ttl-seconds";
    private const int MaxAnswerBytes = 64 * 1024;
    private static readonly TimeSpan MaxTokenTtl = TimeSpan.FromHours(6);

    private readonly ImdsOptions options;
    private readonly TimeProvider timeProvider;
    private readonly HttpClient httpClient;
    private readonly SemaphoreSlim tokenLock = new(1, 1);
    private Token? token;

    public ImdsTransport(ImdsOptions options, TimeProvider timeProvider)
    {
        this.options = options;
        this.timeProvider = timeProvider;
        var handler = new SocketsHttpHandler
        {
            // The service is link-local: a proxy would answer for another machine, or for none.
            UseProxy = false,
            AllowAutoRedirect = false,
            UseCookies = false,
            MaxResponseHeadersLength = 16,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            ConnectCallback = ConnectAsync,
        };
        httpClient = new HttpClient(handler) { BaseAddress = options.Endpoint, Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>Null for 404.</summary>
    public async Task<ImdsAnswer?> GetAsync(string path, CancellationToken cancellationToken)
    {
        if (options.Disabled)
        {
            throw new ImdsException(
                ImdsErrorKind.Disabled, "the metadata service is switched off by AWS_EC2_METADATA_DISABLED=true: unset it to be told of reclaims.");
        }

        // A token can die early (the service restarted, the machine was hibernated): one 401 is answered with a fresh token, a second is final.
        for (var attempt = 0; ; attempt++)
        {
            var current = await GetTokenAsync(cancellationToken).ConfigureAwait(false);
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation(TokenHeader, current.Value);
            var (status, answer, _) = await SendAsync(request, cancellationToken).ConfigureAwait(false);
            switch (status)
            {
                case HttpStatusCode.OK:
                    return answer;
                case HttpStatusCode.NotFound:
                    return null;
                case HttpStatusCode.Unauthorized when attempt == 0:
                    Interlocked.CompareExchange(ref token, null, current);
                    continue;
                default:
                    throw Refusal(status, path);
            }
        }
    }

    public void Dispose()
    {
        httpClient.Dispose();
        tokenLock.Dispose();
    }

    private async Task<Token> GetTokenAsync(CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref token) is { } cached && timeProvider.GetUtcNow() < cached.RefreshAt)
        {
            return cached;
        }

        await tokenLock.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // Another caller may have fetched one meanwhile.
            if (Volatile.Read(ref token) is { } fresh && timeProvider.GetUtcNow() < fresh.RefreshAt)
            {
                return fresh;
            }

            var fetched = await FetchTokenAsync(cancellationToken).ConfigureAwait(false);
            Volatile.Write(ref token, fetched);
            return fetched;
        }
        finally
        {
            tokenLock.Release();
        }
    }

    private async Task<Token> FetchTokenAsync(CancellationToken cancellationToken)
    {
        const string Path = "latest/api/token";
        var asked = timeProvider.GetUtcNow();
        using var request = new HttpRequestMessage(HttpMethod.Put, Path);
        request.Headers.TryAddWithoutValidation(TokenTtlHeader, ((long)options.TokenTtl.TotalSeconds).ToString());
        var (status, answer, granted) = await SendAsync(request, cancellationToken).ConfigureAwait(false);
        if (status != HttpStatusCode.OK || answer is null)
        {
            throw Refusal(status, Path);
        }

        var value = answer.Text.Trim();
        if (value.Length is 0 or > 1024 || !value.All(static c => c is > ' ' and < (char)127))
        {
            throw new ImdsException(
                ImdsErrorKind.Garbage, $"{options.Endpoint}{Path} answered something that is no token: is the endpoint a metadata service?");
        }

        var ttl = granted is { } seconds && seconds > TimeSpan.Zero ? seconds : options.TokenTtl;
        if (ttl > MaxTokenTtl)
        {
            ttl = MaxTokenTtl;
        }

        // A tenth of its life early, so that a poll never meets an expired token.
        return new Token(value, asked + (ttl * 0.9));
    }

    private async Task<(HttpStatusCode Status, ImdsAnswer? Answer, TimeSpan? TokenTtl)> SendAsync(
        HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.RequestTimeout, timeProvider);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            using var response = await httpClient
                .SendAsync(request, HttpCompletionOption.ResponseHeadersRead, linked.Token).ConfigureAwait(false);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return (response.StatusCode, null, null);
            }

            var text = await ReadBoundedAsync(response.Content, linked.Token).ConfigureAwait(false);
            TimeSpan? ttl = response.Headers.TryGetValues(TokenTtlHeader, out var values)
                && int.TryParse(values.First(), out var seconds) ? TimeSpan.FromSeconds(seconds) : null;
            return (response.StatusCode, new ImdsAnswer(text, response.Headers.Date), ttl);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ImdsException(
                ImdsErrorKind.TimedOut,
                $"the metadata service at {options.Endpoint} took the connection but did not answer within {options.RequestTimeout.TotalSeconds:0.#} s. "
                + "In a container its answers are lost when the instance's hop limit is 1: "
                + "aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2, or run the container with host networking.",
                e);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw new ImdsException(
                ImdsErrorKind.Unreachable,
                $"no metadata service at {options.Endpoint} ({Reason(e)}): not an EC2 instance, or 169.254.169.254 is blocked; "
                + "set FLOE_IMDS_ENDPOINT if it is elsewhere, AWS_EC2_METADATA_DISABLED=true if there is none.",
                e);
        }
    }

    private static string Reason(Exception e)
    {
        while (e.InnerException is { } inner)
        {
            e = inner;
        }

        return e.Message.ReplaceLineEndings(" ");
    }

    private static async Task<string> ReadBoundedAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            var buffer = new byte[MaxAnswerBytes];
            var length = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
            return Encoding.UTF8.GetString(buffer, 0, length);
        }
    }

    // Own connect with its own time-out: "cannot connect" (no EC2) and "connected, no answer" (hop limit) are told apart by it.
    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(options.ConnectTimeout, timeProvider);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, linked.Token).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            throw new IOException($"no connection within {options.ConnectTimeout.TotalSeconds:0.#} s");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ImdsException Refusal(HttpStatusCode status, string path) => status switch
    {
        HttpStatusCode.Unauthorized => new ImdsException(
            ImdsErrorKind.Refused,
            $"{options.Endpoint}{path} answers 401 even to a fresh token: something between the task and the service strips the token header, "
            + "or answers for another instance; run the container with host networking or a hop limit of 2."),
        HttpStatusCode.Forbidden => new ImdsException(
            ImdsErrorKind.Refused,
            $"{options.Endpoint}{path} answers 403: the metadata service is switched off for this instance or blocked; "
            + "aws ec2 modify-instance-metadata-options --http-endpoint enabled."),
        HttpStatusCode.NotFound or HttpStatusCode.MethodNotAllowed => new ImdsException(
            ImdsErrorKind.Refused, $"{options.Endpoint}{path} answers {(int)status}: the endpoint gives no IMDSv2 tokens; is it a metadata service?"),
        HttpStatusCode.TooManyRequests or >= HttpStatusCode.InternalServerError => new ImdsException(
            ImdsErrorKind.ServerError, $"{options.Endpoint}{path} answers {(int)status}; it is asked again."),
        _ => new ImdsException(
            ImdsErrorKind.Garbage, $"{options.Endpoint}{path} answers {(int)status}, which EC2 does not document: is it a metadata service?"),
    };

    private sealed record Token(string Value, DateTimeOffset RefreshAt);
}
