using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Xml.Linq;

namespace Floe.Aws.Api;

/// <summary>
/// One failed attempt, and the only place that knows permanent from transient and which code means what. Shapes of errors: EC2's XML
/// (Response/Errors/Error), that of the other Query services (ErrorResponse/Error), the JSON services' __type, REST-JSON's x-amzn-ErrorType.
/// </summary>
internal sealed record AwsFault(HttpStatusCode? Status, string Code, string Message)
{
    public static AwsFault Of(HttpStatusCode status, byte[] body, string? errorType)
    {
        var (code, message) = Read(body);
        if (errorType is { Length: > 0 })
        {
            code = errorType.Split(':')[0];
        }

        code = code[(code.LastIndexOf('#') + 1)..];
        return new AwsFault(status, AwsOptions.Clean(code), AwsOptions.Clean(message));
    }

    /// <summary>No answer at all.</summary>
    public static AwsFault Of(Exception e) => new(null, "", AwsOptions.Clean((e.InnerException ?? e).Message))
    {
        NoSuchHost = e is HttpRequestException { InnerException: SocketException { SocketErrorCode: SocketError.HostNotFound } },
    };

    /// <summary>A success that cannot be read.</summary>
    public bool Malformed { get; init; }

    /// <summary>The name service knows no such host: each region has names of its own.</summary>
    public bool NoSuchHost { get; init; }

    public bool IsTransient => Kind is AwsErrorKind.Throttled or AwsErrorKind.Unavailable or AwsErrorKind.Unreachable or AwsErrorKind.Malformed;

    public AwsErrorKind Kind => Malformed ? AwsErrorKind.Malformed : NoSuchHost ? AwsErrorKind.Region : Status is null ? AwsErrorKind.Unreachable : Code switch
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
        catch (Exception e) when (e is System.Xml.XmlException or JsonException or InvalidOperationException)
        {
            // A proxy's page: the status has to do.
        }

        return ("", "");
    }
}
