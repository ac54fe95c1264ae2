using System.Net;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.RuntimeDependencies;

namespace Floe.S3;

/// <summary>
/// The AWS SDK's chain: environment, web identity, profile, container endpoint, instance metadata. Asked for when first needed, off the caller's
/// thread; the SDK renews temporary keys by itself before they expire.
/// </summary>
/// <param name="resolve">Goes through the chain.</param>
internal sealed class AwsCredentialChain(Func<Task<AWSCredentials>> resolve) : ICredentialSource
{
    private const string Advice =
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile (AWS_PROFILE), or give the job or instance a role";

    private readonly Lock _lock = new();
    private Task<AWSCredentials>? _source;
    private volatile AccessKeys? _refused;

    /// <summary>To any store of this process: one that is opened again asks the same source.</summary>
    private static volatile bool s_hasGivenKeys;

    /// <summary>A container's endpoint, or a service that gives keys for a token.</summary>
    private static readonly bool s_namesSource =
        ((string[])["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_WEB_IDENTITY_TOKEN_FILE"])
        .Any(name => Environment.GetEnvironmentVariable(name) is { Length: > 0 });

    static AwsCredentialChain() => AssumedRole.RegisterWebIdentity();

    public AwsCredentialChain()
        : this(static async () => AssumedRole.Wrap(await DefaultAWSCredentialsIdentityResolver.GetCredentialsAsync().ConfigureAwait(false)))
    {
    }

    public async ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken)
    {
        try
        {
            var source = Source();
            var keys = await ReadAsync(source, cancellationToken).ConfigureAwait(false);
            var refused = _refused;
            if (keys == refused)
            {
                // The SDK still holds what the service refused: it must ask for new ones, and the chain be resolved anew.
                ((await source.ConfigureAwait(false)) as RefreshingAWSCredentials)?.ClearCredentials();
                lock (_lock)
                {
                    _source = _source == source ? null : _source;
                }

                keys = await ReadAsync(Source(), cancellationToken).ConfigureAwait(false);
                if (keys == refused)
                {
                    // There are no others for now: they are asked for again when the service refuses these again.
                    Interlocked.CompareExchange(ref _refused, null, refused);
                }
            }

            s_hasGivenKeys = true;
            return keys;
        }
        catch (Exception e) when (e is AmazonClientException or AmazonServiceException or InvalidOperationException or HttpRequestException
            or IOException or ArgumentException or TimeoutException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new ObjectStoreException(
                ObjectStoreErrorKind.Credentials, $"no AWS credentials: {Reason(e)}; {Advice}", e)
            {
                IsSourceAway = IsSourceAway(e, hasSource: s_hasGivenKeys || s_namesSource),
            };
        }
    }

    /// <summary>
    /// Whether it may be another time. A machine without any source fails in the same way as one whose instance metadata do not answer: there it counts only
    /// if keys came before, or the environment says from where they come.
    /// </summary>
    internal static bool IsSourceAway(Exception failure, bool hasSource) => (hasSource || IsAnswer(failure)) && !IsRefusal(failure);

    private static bool IsAnswer(Exception e) => e is AmazonServiceException { StatusCode: not 0 } || (e.InnerException is { } cause && IsAnswer(cause));

    public bool Invalidate(AccessKeys refused)
    {
        lock (_lock)
        {
            _refused = refused;
            _source = null;
        }

        return true;
    }

    public async ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken)
    {
        // Synchronous in the SDK, and it may ask instance metadata.
        var region = await Task.Run(() => FallbackRegionFactory.GetRegionEndpoint(includeInstanceMetadata: true), cancellationToken)
            .WaitAsync(cancellationToken).ConfigureAwait(false);
        return region?.SystemName;
    }

    /// <summary>One resolution for all callers; a failed one is not kept.</summary>
    private Task<AWSCredentials> Source()
    {
        lock (_lock)
        {
            return _source is { IsFaulted: false, IsCanceled: false } source
                ? source
                : _source = Task.Run(resolve);
        }
    }

    private static async Task<AccessKeys> ReadAsync(Task<AWSCredentials> source, CancellationToken cancellationToken)
    {
        var credentials = await source.WaitAsync(cancellationToken).ConfigureAwait(false);
        var keys = await credentials.GetCredentialsAsync().WaitAsync(cancellationToken).ConfigureAwait(false);
        return new AccessKeys(keys.AccessKey, keys.SecretKey, keys.UseToken ? keys.Token : null);
    }

    /// <summary>
    /// Whether somebody answered that there are none, or what is set cannot be used. What the SDK says of an endpoint that it did not reach carries neither a
    /// status nor the exception of before, and is as what it says where there is none.
    /// </summary>
    internal static bool IsRefusal(Exception e) => e switch
    {
        MissingRuntimeDependencyException or ArgumentException or InvalidOperationException => true,
        AmazonServiceException { StatusCode: not 0 } said => IsRefusal(said.StatusCode) && said.Retryable is null,
        HttpRequestException { StatusCode: { } status } => IsRefusal(status),
        _ => e.InnerException is { } cause && IsRefusal(cause),
    };

    private static bool IsRefusal(HttpStatusCode status) =>
        status is < HttpStatusCode.InternalServerError and not (HttpStatusCode.TooManyRequests or HttpStatusCode.RequestTimeout);

    private static string Reason(Exception e) => e switch
    {
        MissingRuntimeDependencyException missing => $"this kind of profile needs {missing.PackageName}, which is not part of Floe",

        // "Error calling AssumeRole for role …": why is what the service said.
        AmazonClientException { InnerException: AmazonServiceException said } => $"{OneLine(e.Message)}: {OneLine(said.Message)}",
        _ => OfProfile(e.Message) ?? OneLine(e.Message),
    };

    /// <summary>What the chain says of a profile that was asked for, among what it says of every provider: "Exception 3 of 4: The profile …".</summary>
    private static string? OfProfile(string text) => Environment.GetEnvironmentVariable("AWS_PROFILE") is not { Length: > 0 } ? null : text.Split('\n')
        .Where(line => line.StartsWith("Exception ", StringComparison.Ordinal) && line.Contains("profile", StringComparison.OrdinalIgnoreCase))
        .Select(line => OneLine(line[(line.IndexOf(": ", StringComparison.Ordinal) + 2)..]))
        .FirstOrDefault();

    /// <summary>The first sentence: what follows lists every provider over many lines.</summary>
    private static string OneLine(string text)
    {
        var end = text.AsSpan().IndexOfAny('\r', '\n');
        var line = end < 0 ? text : text[..end];
        var sentence = line.IndexOf(". ", StringComparison.Ordinal);
        return (sentence < 0 ? line : line[..sentence]).TrimEnd('.', ' ');
    }
}
