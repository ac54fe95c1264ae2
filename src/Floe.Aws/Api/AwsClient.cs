using System.Text.Json;
using System.Text.Json.Nodes;
using System.Xml.Linq;
using Amazon.EC2;
using Amazon.SimpleSystemsManagement;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Aws.Api;

/// <summary>
/// Calls to AWS's control APIs: by the SDK's clients for EC2 and SSM, signed by ourselves for IAM and Batch (<see cref="SignedCalls"/>). Whoever
/// makes the call, keys, endpoints, connections and time limits are the same. What is transient is tried again with jittered exponential
/// pauses; what is left is an <see cref="AwsException"/>. Safe for concurrent use.
/// </summary>
public sealed partial class AwsClient : IDisposable
{
    private readonly AwsOptions _options;
    private readonly ICredentialSource _credentials;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly AwsTransport _transport = new();
    private readonly SdkClients _sdk;
    private readonly SignedCalls _signed;
    private string? _region;

    /// <param name="credentials">Null: the AWS chain, which is first asked when the first request is made.</param>
    public AwsClient(AwsOptions options, TimeProvider time, ILogger logger, ICredentialSource? credentials = null)
    {
        (_options, _time, _logger) = (options, time, logger);
        _credentials = credentials ?? new AwsCredentialChain();
        _sdk = new SdkClients(options, _transport);
        _signed = new SignedCalls(options, time, _transport);
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

    /// <param name="action">As EC2 names it: for messages, and for the permission that it needs.</param>
    /// <param name="call">Made anew for each try, so what must be the same in all of them (a client token) is made before.</param>
    internal Task<TAnswer> Ec2Async<TAnswer>(string action, Func<AmazonEC2Client, CancellationToken, Task<TAnswer>> call, CancellationToken cancellationToken) =>
        SendAsync(AwsService.Ec2, action, (region, keys, limited) => call(_sdk.Ec2(region, keys), limited), cancellationToken);

    /// <inheritdoc cref="Ec2Async"/>
    internal Task<TAnswer> SsmAsync<TAnswer>(
        string action, Func<AmazonSimpleSystemsManagementClient, CancellationToken, Task<TAnswer>> call, CancellationToken cancellationToken) =>
        SendAsync(AwsService.Ssm, action, (region, keys, limited) => call(_sdk.Ssm(region, keys), limited), cancellationToken);

    /// <summary>A Query call: form in, XML out.</summary>
    internal Task<XElement> QueryAsync(
        AwsService service, string version, string action, IEnumerable<(string Name, string Value)> parameters, CancellationToken cancellationToken)
    {
        var body = SignedCalls.Form(parameters.Prepend(("Version", version)).Prepend(("Action", action)));
        return SendAsync(service, action, async (region, keys, limited) =>
            AwsXml.Parse(await _signed.PostAsync(service, "/", SignedCalls.FormType, body, region, keys, limited).ConfigureAwait(false)), cancellationToken);
    }

    /// <summary>A REST-JSON call; the path holds nothing that would have to be encoded.</summary>
    internal Task<JsonElement> RestAsync(AwsService service, string action, string path, JsonObject input, CancellationToken cancellationToken)
    {
        var body = System.Text.Encoding.UTF8.GetBytes(input.ToJsonString());
        return SendAsync(service, action, async (region, keys, limited) =>
            AwsJson.Parse(await _signed.PostAsync(service, path, "application/json", body, region, keys, limited).ConfigureAwait(false)), cancellationToken);
    }

    /// <summary>One header of the answer to an unsigned HEAD, whatever its status; null when there is none.</summary>
    internal async Task<string?> HeadAsync(AwsService service, string path, string header, CancellationToken cancellationToken)
    {
        var region = await RegionAsync(cancellationToken).ConfigureAwait(false);
        var (answer, fault) = await AttemptAsync(limited => _signed.HeadAsync(service, path, header, region, limited), cancellationToken).ConfigureAwait(false);
        return fault is null ? answer : throw fault.ToException(service, $"HEAD {path}", "", region, 1);
    }

    public void Dispose()
    {
        _sdk.Dispose();
        _transport.Dispose();
    }

    private async Task<TAnswer> SendAsync<TAnswer>(
        AwsService service, string action, Func<string, AccessKeys, CancellationToken, Task<TAnswer>> call, CancellationToken cancellationToken)
    {
        var region = await RegionAsync(cancellationToken).ConfigureAwait(false);
        var renewed = false;
        for (var attempt = 1; ; attempt++)
        {
            var keys = await KeysAsync(cancellationToken).ConfigureAwait(false);
            var (answer, fault) = await AttemptAsync(limited => call(region, keys, limited), cancellationToken).ConfigureAwait(false);
            if (fault is null)
            {
                return answer!;
            }

            if (fault.Kind == AwsErrorKind.Credentials && !renewed && _credentials.Invalidate(keys))
            {
                renewed = true;
                continue;
            }

            if (!fault.IsTransient || attempt >= _options.MaxAttempts)
            {
                throw fault.ToException(service, action, $"{service.Signing}:{action}", region, attempt);
            }

            var pause = Pause(attempt);
            LogRetry(service.Name, action, fault.Code.Length > 0 ? fault.Code : fault.Message, attempt + 1, _options.MaxAttempts, (long)pause.TotalMilliseconds);
            await Task.Delay(pause, _time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>One try within the time limit.</summary>
    private async Task<(TAnswer? Answer, AwsFault? Fault)> AttemptAsync<TAnswer>(Func<CancellationToken, Task<TAnswer>> call, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(_options.RequestTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellationToken);
        try
        {
            return (await call(linked.Token).ConfigureAwait(false), null);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (Exception) when (limit.IsCancellationRequested)
        {
            return (default, AwsFault.Timeout(_options.RequestTimeout));
        }
        catch (Exception e) when (AwsFault.Of(e) is { } fault)
        {
            return (default, fault);
        }
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

    /// <summary>About 200 ms at first, doubling; half of it random.</summary>
    private TimeSpan Pause(int attempt)
    {
        var full = Math.Min(200 * Math.Pow(2, attempt - 1), _options.MaxBackoff.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(full * (0.5 + (Random.Shared.NextDouble() / 2)));
    }

    [LoggerMessage(1301, LogLevel.Debug, "{Service} {Action}: {Reason}; try {Attempt} of {MaxAttempts} in {PauseMillis} ms")]
    private partial void LogRetry(string service, string action, string reason, int attempt, int maxAttempts, long pauseMillis);
}
