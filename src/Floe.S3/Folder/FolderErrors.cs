using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.S3.Folder;

/// <summary>The one place where an errno of the folder store becomes an <see cref="ObjectStoreException"/>.</summary>
internal static class FolderErrors
{
    /// <param name="action">What was tried, for the message: "writing tasks/a/lease.json".</param>
    public static ObjectStoreException Last(StoreUrl store, string action) =>
        From(store, action, Marshal.GetLastPInvokeError());

    public static ObjectStoreException From(StoreUrl store, string action, int errno)
    {
        var (kind, advice) = errno switch
        {
            Errno.ENOENT => (ObjectStoreErrorKind.NotFound, "it is not there"),
            Errno.EACCES or Errno.EPERM => (ObjectStoreErrorKind.AccessDenied, "permission denied; give this user the folder"),
            Errno.EROFS => (ObjectStoreErrorKind.AccessDenied, "the file system is read-only"),
            Errno.ENOSPC => (ObjectStoreErrorKind.NoSpace, "no space left; free some or choose another store"),
            Errno.EDQUOT => (ObjectStoreErrorKind.NoSpace, "the disk quota is used up"),
            Errno.EFBIG => (ObjectStoreErrorKind.TooLarge, "larger than the file system or the file size limit allows"),
            Errno.ENAMETOOLONG => (ObjectStoreErrorKind.Unsupported, "a name is longer than the file system allows"),
            Errno.ENOTDIR or Errno.EISDIR => (ObjectStoreErrorKind.Unsupported, "a folder and an object would have the same name"),
            Errno.ELOOP => (ObjectStoreErrorKind.Unsupported, "a symbolic link is in the way; the store holds none"),
            _ => (ObjectStoreErrorKind.Unavailable, Marshal.GetPInvokeErrorMessage(errno)),
        };
        return new ObjectStoreException(kind, $"store {store}: {action}: {advice}", new LinuxException(action, errno));
    }
}
