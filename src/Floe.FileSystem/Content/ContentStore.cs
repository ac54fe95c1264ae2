using Floe.S3.Buckets;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Content;

/// <summary>
/// The contents of a mount's files: owns the local cache, the transfers and their limits. One for each mount.
/// </summary>
public sealed class ContentStore : IAsyncDisposable
{
    public ContentStore(IBucketService buckets, ContentStoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null) =>
        throw new NotImplementedException();

    /// <summary>The content of an object of the bucket; nothing is fetched yet. Writing needs a target: <paramref name="target"/>.</summary>
    public FileContent Open(ObjectVersion version, ContentTarget target) => throw new NotImplementedException();

    /// <summary>A new, empty file. <paramref name="replaces"/>: the object that it may overwrite; null: there must be none when it is published.</summary>
    public FileContent Create(ContentTarget target, ObjectVersion? replaces = null) => throw new NotImplementedException();

    /// <summary>
    /// Waits until everything whose writers are closed is in the bucket, and says what is not: empty is success.
    /// With <paramref name="includingOpen"/> open files are published as they are.
    /// </summary>
    public Task<IReadOnlyList<ContentFailure>> DrainAsync(bool includingOpen, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Bytes free for new data: for statfs.</summary>
    public long FreeCacheBytes => throw new NotImplementedException();

    /// <summary>Aborts what is under way; local data of failed uploads stays and was named in the log.</summary>
    public ValueTask DisposeAsync() => throw new NotImplementedException();
}

/// <summary>A file that is not in the bucket though its writers are done. <paramref name="LocalPath"/>: where its bytes are kept.</summary>
public sealed record ContentFailure(ContentTarget Target, string LocalPath, ContentException Error);
