namespace Floe.Aws.Api;

/// <summary>Why AWS did not do what it was asked for. A verb ends with status 2 for <see cref="Region"/>, which the user can mend on the line, else with 1.</summary>
public enum AwsErrorKind
{
    /// <summary>None were found, or AWS does not know them or takes them for expired.</summary>
    Credentials,
    /// <summary>The keys may not do this.</summary>
    Denied,
    /// <summary>What was named is not there, in this region or at all.</summary>
    NotFound,
    /// <summary>There is one already, or it is in use or in the middle of a change.</summary>
    Conflict,
    /// <summary>Another parameter of the request makes no sense to AWS.</summary>
    Invalid,
    /// <summary>Too many requests, and patience is spent.</summary>
    Throttled,
    /// <summary>No region given, or none of that name.</summary>
    Region,
    /// <summary>No connection to the service.</summary>
    Unreachable,
    /// <summary>An answer that is not what the service documents.</summary>
    Malformed,
    /// <summary>The service fails (5xx), and patience is spent.</summary>
    Unavailable,
}

/// <summary>An AWS call that failed for good. The message is one line for the user and says what to do.</summary>
public sealed class AwsException(AwsErrorKind kind, string message, string code = "", Exception? inner = null) : Exception(message, inner)
{
    public AwsErrorKind Kind { get; } = kind;

    /// <summary>The service's own, like AccessDeniedException; empty when it gave none.</summary>
    public string Code { get; } = code;
}
