namespace Floe.Aws.Api;

public enum AwsErrorKind
{
    /// <summary>None were found, or AWS does not know them or takes them for expired.</summary>
    Credentials,
    /// <summary>The keys may not do this.</summary>
    Denied,
    NotFound,
    /// <summary>There is one already, or it is in use or in the middle of a change.</summary>
    Conflict,
    /// <summary>Another parameter of the request makes no sense to AWS.</summary>
    Invalid,
    /// <summary>Too many requests, and patience is spent.</summary>
    Throttled,
    /// <summary>No region given, or none of that name.</summary>
    Region,
    Unreachable,
    /// <summary>An answer that is not what the service documents.</summary>
    Malformed,
    Unavailable,
}

/// <summary>An AWS call that failed for good. The message is one line for the user and says what to do.</summary>
public sealed class AwsException(AwsErrorKind kind, string message, string code = "", Exception? inner = null) : Exception(message, inner)
{
    public AwsErrorKind Kind { get; } = kind;

    /// <summary>The service's own, like AccessDeniedException; empty when it gave none.</summary>
    public string Code { get; } = code;
}
