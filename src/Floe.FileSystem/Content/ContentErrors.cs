using Floe.Linux;
using Floe.S3;

namespace Floe.FileSystem.Content;

/// <summary>The one place where a failure of the store or of the local disk becomes a <see cref="ContentException"/>.</summary>
internal static class ContentErrors
{
    /// <param name="isRead">A failed condition means another version when reading, another writer when writing.</param>
    public static ContentException Map(ObjectStoreException e, bool isRead) => new(
        e.Kind switch
        {
            ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound or ObjectStoreErrorKind.Truncated when isRead => ContentErrorKind.Stale,
            ObjectStoreErrorKind.PreconditionFailed => ContentErrorKind.Conflict,
            ObjectStoreErrorKind.Credentials when e.IsSourceAway => ContentErrorKind.Remote,
            ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Credentials => ContentErrorKind.AccessDenied,
            ObjectStoreErrorKind.Busy => ContentErrorKind.Busy,
            ObjectStoreErrorKind.NoSpace => ContentErrorKind.NoSpace,
            ObjectStoreErrorKind.TooLarge => ContentErrorKind.TooLarge,
            _ => ContentErrorKind.Remote,
        },
        e.Message,
        e);

    public static ContentException Map(IOException e, string path) =>
        e is LinuxException { Errno: Errno.ENOSPC } || (e.HResult & 0xFFFF) == Errno.ENOSPC
            ? new ContentException(ContentErrorKind.NoSpace, $"the disk below {path} is full; give the cache another folder or a lower limit (FUSION_CACHE_SIZE)", e)
            : new ContentException(ContentErrorKind.LocalDisk, $"{path}: {e.Message}", e);

    /// <summary>Whether trying the whole upload again may help.</summary>
    public static bool MayPass(ContentException e) => e.Kind is ContentErrorKind.Busy or ContentErrorKind.Remote;
}
