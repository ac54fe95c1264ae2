using Floe.FileSystem.Content;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3;

namespace Floe.FileSystem;

/// <summary>The one place where failures of the store, of contents and of the local disk become error numbers.</summary>
internal static class StoreErrno
{
    private const int EREMOTEIO = 121;
    private const int ESTALE = 116;

    public static int Of(Exception error) => error switch
    {
        FuseException e => e.Errno,
        LinuxException e => e.Errno,
        OperationCanceledException => Errno.EINTR,
        ObjectStoreException e => OfStore(e),
        ContentException e => e.Kind switch
        {
            ContentErrorKind.Stale => ESTALE,
            ContentErrorKind.AccessDenied => Errno.EACCES,
            ContentErrorKind.Busy => Errno.EBUSY,
            ContentErrorKind.Remote => EREMOTEIO,
            ContentErrorKind.NoSpace => Errno.ENOSPC,
            ContentErrorKind.TooLarge => Errno.EFBIG,
            _ => Errno.EIO,
        },
        _ => Errno.EIO,
    };

    private static int OfStore(ObjectStoreException error) => error.Kind switch
    {
        ObjectStoreErrorKind.NotFound => Errno.ENOENT,
        ObjectStoreErrorKind.Credentials when error.IsSourceAway => EREMOTEIO,
        ObjectStoreErrorKind.AccessDenied or ObjectStoreErrorKind.Credentials => Errno.EACCES,
        ObjectStoreErrorKind.Busy => Errno.EBUSY,
        ObjectStoreErrorKind.PreconditionFailed => ESTALE,
        ObjectStoreErrorKind.TooLarge => Errno.EFBIG,
        ObjectStoreErrorKind.NoSpace => Errno.ENOSPC,
        _ => EREMOTEIO,
    };
}
