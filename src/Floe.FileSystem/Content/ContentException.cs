namespace Floe.FileSystem.Content;

/// <summary>Why content could not be read or brought to the bucket. Each chooses the errno named here (<see cref="StoreErrno"/>).</summary>
public enum ContentErrorKind
{
    /// <summary>The object was replaced or removed while it was open: what was opened can no longer be read. ESTALE.</summary>
    Stale,
    /// <summary>The credentials have no right to it, have expired, or are none. EACCES.</summary>
    AccessDenied,
    /// <summary>The service asked for fewer requests until all tries were spent. EBUSY.</summary>
    Busy,
    /// <summary>Any other failure of the service or of the way to it. EREMOTEIO.</summary>
    Remote,
    /// <summary>The local cache is full of bytes that cannot go up, or the store's quota is used up. ENOSPC.</summary>
    NoSpace,
    /// <summary>Somebody else wrote the object meanwhile: nothing was overwritten. EIO.</summary>
    Conflict,
    /// <summary>Past 5 TiB, or more than the service takes. EFBIG.</summary>
    TooLarge,
    /// <summary>The local disk fails. EIO.</summary>
    LocalDisk,
}

/// <summary>Content that could not be read or brought to the bucket. The message is one line for the user and says what to do.</summary>
public sealed class ContentException : Exception
{
    public ContentException(ContentErrorKind kind, string message, Exception? inner = null)
        : base(message, inner) => Kind = kind;

    public ContentErrorKind Kind { get; }
}
