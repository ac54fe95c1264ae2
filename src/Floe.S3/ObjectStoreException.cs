namespace Floe.S3;

/// <summary>
/// Why a store did not do what it was asked for. The program ends with status 174 for all of them; a mount answers with the errno named here
/// (Floe.FileSystem's StoreErrno).
/// </summary>
public enum ObjectStoreErrorKind
{
    /// <summary>Out of reach or out of order after all retries. EREMOTEIO.</summary>
    Unavailable,
    /// <summary>It asked for fewer requests until all tries were spent. EBUSY.</summary>
    Busy,
    /// <summary>There is no such object, or no such bucket. ENOENT.</summary>
    NotFound,
    /// <summary>The credentials, or this user on a folder, have no right to it. EACCES.</summary>
    AccessDenied,
    /// <summary>None, expired ones, ones that the service does not know, or a clock too far off for them. EACCES.</summary>
    Credentials,
    /// <summary>The object is there already, or is not the one that was expected any more: somebody else wrote it. ESTALE.</summary>
    PreconditionFailed,
    /// <summary>Fewer bytes than asked for. EREMOTEIO.</summary>
    Truncated,
    /// <summary>More bytes than the service takes, or than the caller does. EFBIG.</summary>
    TooLarge,
    /// <summary>Bytes that do not carry their checksum. EREMOTEIO.</summary>
    Corrupt,
    /// <summary>The bucket's quota, the disk or its quota is used up. ENOSPC.</summary>
    NoSpace,
    /// <summary>The store does not do what Floe needs (conditional writes, for one), or the URL is wrong. EREMOTEIO.</summary>
    Unsupported,
}

/// <summary>A store operation that failed for good. The message is one line for the user and says what to do.</summary>
public sealed class ObjectStoreException : Exception
{
    public ObjectStoreException(ObjectStoreErrorKind kind, string message, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    public ObjectStoreErrorKind Kind { get; }

    /// <summary>
    /// A call that was given up and cannot be ended (a folder on a file system that hangs): until this ends, without a failure, memory that it was given is in use.
    /// Null where nothing is.
    /// </summary>
    public Task? StillRunning { get; init; }

    /// <summary>
    /// Of <see cref="ObjectStoreErrorKind.Credentials"/>: who gives them out (STS, instance metadata, a container's endpoint) did not answer, or failed. Any
    /// other fault of credentials stays until somebody does something about it.
    /// </summary>
    public bool IsSourceAway { get; init; }

    /// <summary>The service's error code ("NoSuchUpload"); empty where there was none.</summary>
    public string Code => (InnerException as S3Fault)?.Code ?? "";
}
