using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Xml;
using System.Xml.Linq;
using Amazon.Runtime;

namespace Floe.Aws.Api;

/// <summary>
/// One failed attempt, and the only place that knows permanent from transient and which code means what, whoever made the call. Errors come as
/// the SDK's exceptions, or from <see cref="SignedCalls"/> as XML (ErrorResponse/Error), the JSON services' __type or REST-JSON's x-amzn-ErrorType.
/// </summary>
/// <param name="Status">Null: there was no answer.</param>
internal sealed record AwsFault(HttpStatusCode? Status, string Code, string Message)
{
    /// <summary>What the SDK says where the service said nothing; the body follows, whatever it is.</summary>
    private const string NoMessage = "The service returned an error";

    /// <summary>Null for what is no failed call but a defect.</summary>
    public static AwsFault? Of(Exception e) => e switch
    {
        RefusedException refused => Of(refused.Status, refused.Body, refused.Type),

        // An error that cannot be read is a proxy's page: the status has to do. A success that cannot be read: the SDK lets its parsers'
        // exceptions through as they are.
        AmazonUnmarshallingException { StatusCode: >= HttpStatusCode.Ambiguous and var status } => new AwsFault(status, "", ""),
        AmazonUnmarshallingException or XmlException or JsonException or FormatException or OverflowException or ArgumentOutOfRangeException or InvalidOperationException =>
            new AwsFault(HttpStatusCode.OK, "MalformedAnswer", AwsOptions.Clean((e.InnerException ?? e).Message)) { Known = AwsErrorKind.Malformed },
        AmazonServiceException { StatusCode: not 0 } said => Of(said.StatusCode, said.ErrorCode ?? "", said.Message.StartsWith(NoMessage, StringComparison.Ordinal) ? "" : said.Message),
        HttpRequestException or IOException or SocketException or TimeoutException or WebException => Unreachable(e),
        AmazonServiceException or AmazonClientException when e.InnerException is { } inner && Of(inner) is { } fault => fault,

        // The SDK did not even ask: its settings, as in a profile, make no sense to it.
        AmazonServiceException or AmazonClientException => new AwsFault(null, "", AwsOptions.Clean(e.Message)) { Known = AwsErrorKind.Invalid },
        _ => null,
    };

    public static AwsFault Timeout(TimeSpan limit) => new(null, "", $"nothing within {limit.TotalSeconds:0} s");

    /// <summary>What it is when neither status nor code says so.</summary>
    public AwsErrorKind? Known { get; init; }

    public bool IsTransient => Kind is AwsErrorKind.Throttled or AwsErrorKind.Unavailable or AwsErrorKind.Unreachable or AwsErrorKind.Malformed;

    public AwsErrorKind Kind => Known is { } known ? known : Status is null ? AwsErrorKind.Unreachable : Code switch
    {
        "Throttling" or "ThrottlingException" or "ThrottledException" or "RequestThrottled" or "RequestThrottledException" or "RequestLimitExceeded"
            or "TooManyRequestsException" or "SlowDown" or "PriorRequestNotComplete" or "BandwidthLimitExceeded" => AwsErrorKind.Throttled,
        "AuthFailure" or "InvalidClientTokenId" or "UnrecognizedClientException" or "ExpiredToken" or "ExpiredTokenException" or "RequestExpired"
            or "SignatureDoesNotMatch" or "InvalidSignatureException" or "InvalidAccessKeyId" or "MissingAuthenticationToken"
            or "IncompleteSignature" or "TokenRefreshRequired" => AwsErrorKind.Credentials,
        "AccessDenied" or "AccessDeniedException" or "UnauthorizedOperation" or "NotAuthorized" or "AuthorizationError" or "OptInRequired" => AwsErrorKind.Denied,
        "NoSuchEntity" or "ParameterNotFound" or "NoSuchBucket" or "ResourceNotFoundException" => AwsErrorKind.NotFound,
        _ when Code.EndsWith(".NotFound", StringComparison.Ordinal) || Code.EndsWith("NotFoundException", StringComparison.Ordinal)
            || Code.EndsWith(".NotFoundException", StringComparison.Ordinal) || Code.EndsWith(".Malformed", StringComparison.Ordinal) => AwsErrorKind.NotFound,
        "EntityAlreadyExists" or "DeleteConflict" or "ConcurrentModification" or "ConflictException"
            or "InvalidLaunchTemplateName.AlreadyExistsException" or "DependencyViolation" => AwsErrorKind.Conflict,
        _ when Status == HttpStatusCode.TooManyRequests => AwsErrorKind.Throttled,
        _ when (int)Status >= 500 => AwsErrorKind.Unavailable,
        _ when Status == HttpStatusCode.Forbidden => AwsErrorKind.Denied,
        _ when Status == HttpStatusCode.NotFound => AwsErrorKind.NotFound,
        _ => AwsErrorKind.Invalid,
    };

    /// <param name="permission">The IAM action that the call needs: "ec2:DescribeInstanceTypes".</param>
    public AwsException ToException(AwsService service, string action, string permission, string region, int attempts)
    {
        var call = $"{service.Name} {action} in {region}";
        var said = (Code.Length, Message.Length) switch
        {
            (0, 0) => $"status {(int?)Status}",
            (_, 0) => Code,
            (0, _) => Message,
            _ => $"{Code}: {Message}",
        };
        var text = Kind switch
        {
            AwsErrorKind.Credentials => $"AWS does not accept the credentials ({said}); get new ones, or check AWS_PROFILE and the clock",
            AwsErrorKind.Denied => $"these credentials may not do {permission} ({said}); allow it, or use a role that may",
            AwsErrorKind.NotFound => $"{call}: not found ({said})",
            AwsErrorKind.Throttled => $"{call}: AWS still asks to slow down after {attempts} tries ({said}); try again later",
            AwsErrorKind.Region => $"{service.Name} has no endpoint in '{region}' ({said}); check --region, and whether this machine resolves names",
            AwsErrorKind.Unreachable => $"{call}: no answer ({said}); check the network, a proxy (HTTPS_PROXY), and whether '{region}' is a region",
            AwsErrorKind.Unavailable => $"{call} failed {attempts} times ({said}); try again later",
            AwsErrorKind.Malformed => $"{call} answered something that is no answer ({said}); is a proxy or a wrong AWS_ENDPOINT_URL in between?",
            _ => $"{call} was refused ({said})",
        };
        return new AwsException(Kind, text, Code);
    }

    private static AwsFault Of(HttpStatusCode status, byte[] body, string? errorType)
    {
        var (code, message) = Read(body);
        return Of(status, errorType is { Length: > 0 } ? errorType.Split(':')[0] : code, message);
    }

    private static AwsFault Of(HttpStatusCode status, string code, string message) =>
        new(status, AwsOptions.Clean(code[(code.LastIndexOf('#') + 1)..]), AwsOptions.Clean(message));

    /// <summary>Each region has names of its own, so a name that nobody knows is that of a region that is none.</summary>
    private static AwsFault Unreachable(Exception e) => new(null, "", AwsOptions.Clean((e.InnerException ?? e).Message))
    {
        Known = (e as SocketException ?? e.InnerException as SocketException)?.SocketErrorCode == SocketError.HostNotFound ? AwsErrorKind.Region : null,
    };

    private static (string Code, string Message) Read(byte[] body)
    {
        var start = body.AsSpan().TrimStart((byte)' ');
        try
        {
            if (start is [(byte)'<', ..])
            {
                var error = AwsXml.Parse(body).DescendantsAndSelf().FirstOrDefault(e => e.Name.LocalName == "Error");
                return (error?.Text("Code") ?? "", error?.Text("Message") ?? "");
            }

            if (start is [(byte)'{', ..])
            {
                using var document = JsonDocument.Parse(body);
                var root = document.RootElement;
                return (root.Text("__type") ?? root.Text("code") ?? "", root.Text("message") ?? root.Text("Message") ?? "");
            }
        }
        catch (Exception e) when (e is XmlException or JsonException or InvalidOperationException)
        {
            // A proxy's page: the status has to do.
        }

        return ("", "");
    }
}
