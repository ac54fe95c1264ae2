using Floe.S3.Folder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.S3;

/// <summary>The one place where a store's URL becomes a store.</summary>
public static class ObjectStores
{
    /// <summary>
    /// Opens the store without touching the network: a bad endpoint, bucket or credential shows at the first operation.
    /// A folder is made if it is not there. Errors: <see cref="ObjectStoreException"/>.
    /// </summary>
    public static IMultipartStore Open(
        StoreUrl url, ObjectStoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        loggerFactory ??= NullLoggerFactory.Instance;
        timeProvider ??= TimeProvider.System;
        return url.Scheme == "s3"
            ? throw new ObjectStoreException(ObjectStoreErrorKind.Unsupported, "s3:// stores are not in this version")
            : FolderObjectStore.Open(url, timeProvider);
    }
}
