namespace Floe.S3;

public enum ObjectStoreErrorKind
{
    /// <summary>Out of reach or out of order after all retries.</summary>
    Unavailable,
    /// <summary>It asked for fewer requests until all tries were spent.</summary>
    Busy,
    NotFound,
    AccessDenied,
    /// <summary>No or expired credentials.</summary>
    Credentials,
    PreconditionFailed,
    /// <summary>Fewer bytes than asked for.</summary>
    Truncated,
    TooLarge,
    /// <summary>Bytes that do not carry their checksum.</summary>
    Corrupt,
    NoSpace,
    /// <summary>The store does not do what Floe needs (conditional writes, for one), or the URL is wrong.</summary>
    Unsupported,
}

/// <summary>A store operation that failed for good. The message is one line for the user and says what to do.</summary>
public sealed class ObjectStoreException : Exception
{
    public ObjectStoreException(ObjectStoreErrorKind kind, string message, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    public ObjectStoreErrorKind Kind { get; }

    /// <summary>The service's error code ("NoSuchUpload"); empty where there was none.</summary>
    public string Code => (InnerException as S3Fault)?.Code ?? "";
}
