namespace Floe.Aws;

/// <summary>
/// Why the metadata service gave no answer. None ends a task or chooses an exit status: who watches for notices asks again, and 'floe check'
/// passes the first two, where most likely there is no EC2, and warns of the rest.
/// </summary>
public enum ImdsErrorKind
{
    /// <summary>AWS_EC2_METADATA_DISABLED=true: nothing was asked.</summary>
    Disabled,
    /// <summary>No connection: most likely not an EC2 instance.</summary>
    Unreachable,
    /// <summary>Connected, but no answer in time: in a container most likely the hop limit.</summary>
    TimedOut,
    /// <summary>A token refused, or the service switched off for this instance (401, 403).</summary>
    Refused,
    /// <summary>5xx or 429: worth asking again.</summary>
    ServerError,
    /// <summary>An answer that is not what the path documents.</summary>
    Garbage,
    /// <summary>An endpoint override that is no URL.</summary>
    BadEndpoint,
}

/// <summary>A question to the metadata service that got no usable answer. The message is one line for the user and says what to do.</summary>
public sealed class ImdsException(ImdsErrorKind kind, string message, Exception? inner = null) : Exception(message, inner)
{
    public ImdsErrorKind Kind { get; } = kind;
}
