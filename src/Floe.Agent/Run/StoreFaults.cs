using Floe.FileSystem.Content;
using Floe.S3;

namespace Floe.Agent.Run;

internal static class StoreFaults
{
    /// <summary>A store that does not answer, or is busy, and so who gives the keys to it; one that refuses, or is gone, will do so for ever.</summary>
    public static bool MayPass(Exception failure) => failure switch
    {
        ObjectStoreException { Kind: ObjectStoreErrorKind.Credentials } store => store.IsSourceAway,
        ObjectStoreException store => store.Kind is ObjectStoreErrorKind.Unavailable or ObjectStoreErrorKind.Busy,
        ContentException content => content.Kind is ContentErrorKind.Remote or ContentErrorKind.Busy,
        FloeException { ExitCode: ExitCodes.StoreError, InnerException: { } cause } => MayPass(cause),
        _ => false,
    };
}
