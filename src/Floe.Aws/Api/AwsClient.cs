using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml;
using System.Xml.Linq;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Aws.Api;

/// <summary>
/// Signed calls to AWS's control APIs, in the three ways they are spoken: Query (EC2, IAM, STS), JSON (SSM) and REST-JSON (Batch). Retries
/// what is transient with jittered exponential pauses; what is left is an <see cref="AwsException"/>. Safe for concurrent use.
/// </summary>
public sealed partial class AwsClient : IDisposable
{
    internal const int MaxAnswerBytes = 64 << 20;

    private readonly AwsOptions _options;
    private readonly ICredentialSource _credentials;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly HttpMessageInvoker _http;
    private readonly ConcurrentDictionary<string, SigV4> _signers = [];
    private string? _region;

    /// <param name="credentials">Null: the AWS chain, which is first asked when the first request is made.</param>
    public AwsClient(AwsOptions options, TimeProvider time, ILogger logger, ICredentialSource? credentials = null)
    {
        (_options, _time, _logger) = (options, time, logger);
        _credentials = credentials ?? new AwsCredentialChain();
        _http = S3Transport.Create(16, TimeSpan.FromSeconds(10));
        _region = options.Region;
    }

    /// <summary>The region that calls go to.</summary>
    /// <exception cref="AwsException">Nothing names one.</exception>
    public async ValueTask<string> RegionAsync(CancellationToken cancellationToken)
    {
        _region ??= await _credentials.FindRegionAsync(cancellationToken).ConfigureAwait(false);
        return _region ?? throw new AwsException(AwsErrorKind.Region, "no AWS region: give --region, or set AWS_REGION or one in the profile");
    }

    /// <summary>Whether there are credentials at all; asks nobody but the chain.</summary>
    public async Task<bool> HasCredentialsAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _credentials.GetAsync(cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.Credentials)
        {
            return false;
        }
    }

    /// <summary>A Query call: form in, XML out.</summary>
    internal async Task<XElement> QueryAsync(
        AwsService service, string version, string action, IEnumerable<(string Name, string Value)> parameters, CancellationToken cancellationToken)
    {
        var form = string.Join('&', parameters.Prepend(("Version", version)).Prepend(("Action", action))
            .Select(p => $"{SigV4.Encode(p.Item1, false)}={SigV4.Encode(p.Item2, false)}"));
        XElement? answer = null;
        var call = new Call(service, action, "/", Encoding.UTF8.GetBytes(form), "application/x-www-form-urlencoded; charset=utf-8", null);
        await SendAsync(call, bytes => answer = AwsXml.Parse(bytes), cancellationToken).ConfigureAwait(false);
        return answer!;
    }

    /// <summary>A JSON call: the action goes in x-amz-target.</summary>
    internal Task<JsonElement> JsonAsync(AwsService service, string target, string action, JsonObject input, CancellationToken cancellationToken) =>
        ReadJsonAsync(new Call(service, action, "/", Encoding.UTF8.GetBytes(input.ToJsonString()), "application/x-amz-json-1.1", $"{target}.{action}"), cancellationToken);

    /// <summary>A REST-JSON call; the path holds nothing that would have to be encoded.</summary>
    internal Task<JsonElement> RestAsync(AwsService service, string action, string path, JsonObject input, CancellationToken cancellationToken) =>
        ReadJsonAsync(new Call(service, action, path, Encoding.UTF8.GetBytes(input.ToJsonString()), "application/json", null), cancellationToken);

    /// <summary>One header of the answer to an unsigned HEAD, whatever its status; null when there is none.</summary>
    internal async Task<string?> HeadAsync(AwsService service, string path, string header, CancellationToken cancellationToken)
    {
        var region = await RegionAsync(cancellationToken).ConfigureAwait(false);
        var endpoint = _options.Endpoint(service, region);
        using var limit = new CancellationTokenSource(_options.RequestTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Head, new Uri(endpoint, endpoint.AbsolutePath.TrimEnd('/') + path));
            using var response = await _http.SendAsync(request, linked.Token).ConfigureAwait(false);
            return response.Headers.TryGetValues(header, out var values) ? values.FirstOrDefault() : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            throw AwsFault.Of(e).ToException(service, $"HEAD {path}", "", region, 1);
        }
    }

    public void Dispose() => _http.Dispose();

    private async Task<JsonElement> ReadJsonAsync(Call call, CancellationToken cancellationToken)
    {
        JsonElement root = default;
        await SendAsync(call, bytes =>
        {
            using var document = JsonDocument.Parse(bytes.Length == 0 ? "{}"u8.ToArray() : bytes);
            root = document.RootElement.Clone();
            if (root.ValueKind != JsonValueKind.Object)
            {
                throw new JsonException("no object");
            }
        }, cancellationToken).ConfigureAwait(false);
        return root;
    }

    private sealed record Call(AwsService Service, string Action, string Path, byte[] Body, string ContentType, string? Target);

    /// <param name="read">Takes the answer in; throws an XmlException or JsonException for one that is garbled.</param>
    private async Task SendAsync(Call call, Action<byte[]> read, CancellationToken cancellationToken)
    {
        var region = await RegionAsync(cancellationToken).ConfigureAwait(false);
        var renewed = false;
        for (var attempt = 1; ; attempt++)
        {
            var keys = await KeysAsync(cancellationToken).ConfigureAwait(false);
            if (await AttemptAsync(call, region, keys, read, cancellationToken).ConfigureAwait(false) is not { } fault)
            {
                return;
            }

            if (fault.Kind == AwsErrorKind.Credentials && !renewed && _credentials.Invalidate(keys))
            {
                renewed = true;
                continue;
            }

            if (!fault.IsTransient || attempt >= _options.MaxAttempts)
            {
                throw fault.ToException(call.Service, call.Action, $"{call.Service.Signing}:{call.Action}", region, attempt);
            }

            var pause = Pause(attempt);
            LogRetry(call.Service.Name, call.Action, fault.Code.Length > 0 ? fault.Code : fault.Message, attempt + 1, _options.MaxAttempts, (long)pause.TotalMilliseconds);
            await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Null for success.</summary>
    private async Task<AwsFault?> AttemptAsync(
        Call call, string region, AccessKeys keys, Action<byte[]> read, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.RequestTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            using var request = Sign(call, region, keys);
            using var response = await _http.SendAsync(request, linked.Token).ConfigureAwait(false);
            var body = await ReadAsync(response.Content, linked.Token).ConfigureAwait(false);
            if (!response.IsSuccessStatusCode)
            {
                return AwsFault.Of(response.StatusCode, body, response.Headers.TryGetValues("x-amzn-ErrorType", out var types) ? types.FirstOrDefault() : null);
            }

            read(body);
            return null;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new AwsFault(null, "", $"nothing within {_options.RequestTimeout.TotalSeconds:0} s");
        }
        catch (Exception e) when (e is XmlException or JsonException)
        {
            return new AwsFault(HttpStatusCode.OK, "MalformedAnswer", AwsOptions.Clean(e.Message)) { Malformed = true };
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return AwsFault.Of(e);
        }
    }

    private HttpRequestMessage Sign(Call call, string region, AccessKeys keys)
    {
        var endpoint = _options.Endpoint(call.Service, region);
        var url = new Uri(endpoint, endpoint.AbsolutePath.TrimEnd('/') + call.Path);
        var request = new HttpRequestMessage(HttpMethod.Post, url) { Version = HttpVersion.Version11, Content = new ByteArrayContent(call.Body) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", call.ContentType);
        if (call.Target is not null)
        {
            request.Headers.TryAddWithoutValidation("x-amz-target", call.Target);
        }

        var hash = Convert.ToHexStringLower(SHA256.HashData(call.Body));
        var signer = _signers.GetOrAdd(call.Service.Signing, static name => new SigV4(name));
        signer.Sign(request, url.Authority, url.AbsolutePath, "", hash, keys, AwsOptions.SigningRegion(call.Service, region), _time.GetUtcNow());
        return request;
    }

    private async Task<AccessKeys> KeysAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _credentials.GetAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.Credentials)
        {
            throw new AwsException(AwsErrorKind.Credentials, e.Message, "", e);
        }
    }

    private static async Task<byte[]> ReadAsync(HttpContent content, CancellationToken cancellationToken)
    {
        var stream = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (stream.ConfigureAwait(false))
        {
            using var body = new MemoryStream();
            var buffer = new byte[81920];
            int got;
            while ((got = await stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0)
            {
                body.Write(buffer, 0, got);
                if (body.Length > MaxAnswerBytes)
                {
                    throw new IOException($"the answer is larger than {MaxAnswerBytes >> 20} MiB");
                }
            }

            return body.ToArray();
        }
    }

    /// <summary>About 200 ms at first, doubling; half of it random.</summary>
    private TimeSpan Pause(int attempt)
    {
        var full = Math.Min(200 * Math.Pow(2, attempt - 1), _options.MaxBackoff.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
    }

    [LoggerMessage(1301, LogLevel.Debug, "{Service} {Action}: {Reason}; try {Attempt} of {MaxAttempts} in {PauseMillis} ms")]
    private partial void LogRetry(string service, string action, string reason, int attempt, int maxAttempts, long pauseMillis);
}
