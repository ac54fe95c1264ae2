using Floe.S3.Folder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.S3;

/// <summary>The one place where a store's URL becomes a store.</summary>
public static class ObjectStores
{
    /// <summary>What a store that is a folder has at its top beside its objects.</summary>
    public const string FolderName = Folder.FolderListing.OwnFolder;

    /// <summary>
    /// Opens the store without touching the network: a bad endpoint, bucket or credential shows at the first operation.
    /// A folder is made if it is not there. Errors: <see cref="ObjectStoreException"/>.
    /// </summary>
    /// <param name="credentials">Null: the AWS chain, which is first asked when the first request is made.</param>
    public static IMultipartStore Open(
        StoreUrl url, ObjectStoreOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null,
        ICredentialSource? credentials = null)
    {
        loggerFactory ??= NullLoggerFactory.Instance;
        timeProvider ??= TimeProvider.System;
        return url.Scheme == "s3"
            ? new S3ObjectStore(url, options, credentials ?? new AwsCredentialChain(), timeProvider, loggerFactory.CreateLogger("Floe.S3"))
            : FolderObjectStore.Open(url, timeProvider);
    }
}
