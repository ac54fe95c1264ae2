namespace Floe.S3;

/// <summary>
/// A flat space of immutable byte objects under one root: an S3 bucket and prefix, or a folder.
/// Implementations are safe for concurrent use. Transient faults are retried below this seam
/// (<see cref="ObjectStoreException.Kind"/> tells what is left when retries are spent); expected absence is a null.
/// </summary>
public interface IObjectStore : IAsyncDisposable
{
    /// <summary>The root as the user wrote it, without credentials: for messages.</summary>
    StoreUrl Url { get; }

    /// <summary>How many transfers may usefully run at the same time; callers that pipeline size themselves by it.</summary>
    int MaxConnections { get; }

    /// <summary>For how long every request has failed, retries included, as far as that may pass, or the longest has stood still in a folder that hangs; zero while it answers.</summary>
    TimeSpan FailingFor => TimeSpan.Zero;

    /// <summary>Size and ETag of an object; null when there is none.</summary>
    Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken);

    /// <summary>A whole small object (at most <paramref name="maxBytes"/>, else an exception of kind TooLarge); null when there is none.</summary>
    Task<SmallObject?> GetAsync(ObjectKey key, int maxBytes, CancellationToken cancellationToken);

    /// <summary>
    /// Fills <paramref name="destination"/> with the object's bytes from <paramref name="offset"/>. A missing object is NotFound;
    /// an object that ends before the range is full is Truncated.
    /// </summary>
    Task ReadRangeAsync(ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken);

    /// <summary>
    /// Writes a whole object atomically: readers see nothing or everything, and when this returns it is durable.
    /// <paramref name="content"/> is borrowed until the task ends, and beyond it as long as <see cref="ObjectStoreException.StillRunning"/> says. A failed condition is an exception of kind PreconditionFailed;
    /// an own write whose answer was lost is recognised (write id in the metadata) and is a success.
    /// </summary>
    Task<ETag> PutAsync(ObjectKey key, ReadOnlyMemory<byte> content, PutCondition condition, CancellationToken cancellationToken);

    /// <summary>All objects whose key starts with <paramref name="prefix"/>, in the byte order of their UTF-8 keys, in pages behind the scenes.</summary>
    IAsyncEnumerable<ObjectInfo> ListAsync(ObjectKey prefix, CancellationToken cancellationToken);

    /// <summary>
    /// The folders directly below <paramref name="prefix"/>, which ends in '/' or is empty: prefix, the text up to the next '/', and that '/',
    /// so that each is a prefix for <see cref="ListAsync"/>. In key order; a folder without objects is not one.
    /// </summary>
    IAsyncEnumerable<ObjectKey> ListFoldersAsync(ObjectKey prefix, CancellationToken cancellationToken);

    /// <summary>Deletes objects; those that do not exist count as deleted.</summary>
    Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken);

    /// <summary>
    /// Deletes an object as above, but with a single request: for one that somebody else may write again as soon as it is gone. When the answer is lost nobody knows
    /// whether it went (an <see cref="ObjectStoreException"/>), and another request could take the other's.
    /// </summary>
    Task DeleteOnceAsync(ObjectKey key, CancellationToken cancellationToken);
}
