namespace Floe.S3;

/// <summary>
/// A store that takes objects of unknown or large size in parts (S3 multipart upload; a folder writes on).
/// Every store that <see cref="ObjectStores.Open"/> returns has this capability.
/// </summary>
public interface IMultipartStore : IObjectStore
{
    /// <summary>
    /// Writes the stream to its end as one object, atomically like <see cref="IObjectStore.PutAsync"/>: parts go up in parallel while the stream
    /// is read sequentially, at most <paramref name="maxParallelParts"/> × part size in memory. The stream is borrowed and need not seek.
    /// A failure or cancellation aborts the upload, so no part stays behind.
    /// </summary>
    /// <param name="maxBytes">
    /// Upper bound of the stream's length, from which the part size is chosen (S3 takes 10,000 parts, 5 TiB at most);
    /// a longer stream is an exception of kind TooLarge.
    /// </param>
    Task<ETag> PutLargeAsync(
        ObjectKey key, Stream content, long maxBytes, PutCondition condition, int maxParallelParts, CancellationToken cancellationToken);

    /// <summary>
    /// Aborts uploads below <paramref name="prefix"/> that were begun before <paramref name="startedBefore"/>: those of machines that died.
    /// Returns how many.
    /// </summary>
    Task<int> AbortStaleUploadsAsync(ObjectKey prefix, DateTimeOffset startedBefore, CancellationToken cancellationToken);
}
