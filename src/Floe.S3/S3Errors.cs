using System.Net;
using System.Net.Sockets;

namespace Floe.S3;

/// <summary>The one place where a spent <see cref="S3Fault"/> becomes an <see cref="ObjectStoreException"/> with a line for the user.</summary>
internal static class S3Errors
{
    /// <param name="action">The S3 permission that the request needs, or its name: "s3:PutObject".</param>
    /// <param name="key">Full key in the bucket; empty for a request on the bucket.</param>
    public static ObjectStoreException Map(S3Fault fault, S3Address address, StoreUrl store, string action, string key, int attempts)
    {
        var what = key.Length == 0 ? $"s3://{store.Container}" : $"s3://{store.Container}/{key}";
        var (kind, message) = Describe(fault, address, store, action, attempts);
        return new ObjectStoreException(kind, $"{what}: {message}", fault);
    }

    /// <summary>Text from the network on one line, printable and of bearable length.</summary>
    public static string Clean(string text)
    {
        var shown = text.Length > 300 ? text[..300] + "…" : text;
        return string.Create(shown.Length, shown, static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source[i]) ? ' ' : source[i];
            }
        });
    }

    private static (ObjectStoreErrorKind Kind, string Message) Describe(
        S3Fault fault, S3Address address, StoreUrl store, string action, int attempts)
    {
        switch (fault.Code)
        {
            case "NoSuchBucket":
                return (ObjectStoreErrorKind.NotFound, $"there is no bucket '{store.Container}' at {address.Authority}; check the name, or create it");
            case "RequestTimeTooSkewed":
                return (ObjectStoreErrorKind.Credentials, "this machine's clock is too far from the service's; set the time (NTP)");
            case "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired":
                return (ObjectStoreErrorKind.Credentials, "the AWS credentials have expired; renew them");
            case "InvalidAccessKeyId" or "InvalidToken":
                return (ObjectStoreErrorKind.Credentials, "the service does not know this access key; check AWS_ACCESS_KEY_ID and AWS_SESSION_TOKEN");
            case "SignatureDoesNotMatch":
                return (ObjectStoreErrorKind.Credentials, "the service refused the signature; check AWS_SECRET_ACCESS_KEY and that no proxy changes requests");
            case "EntityTooLarge":
                return (ObjectStoreErrorKind.TooLarge, "larger than the service takes");
            case "BadDigest" or "XAmzContentChecksumMismatch" or "XAmzContentSHA256Mismatch":
                return (ObjectStoreErrorKind.Corrupt, $"bytes arrive changed ({attempts} tries); the network or this machine's memory damages data");
            case "QuotaExceeded" or "InsufficientStorage" or "XMinioStorageFull":
                return (ObjectStoreErrorKind.NoSpace, "the bucket's quota or the store's space is used up");
            case "SlowDown" or "ServiceUnavailable" or "Throttling" or "ThrottlingException" or "TooManyRequests" or "RequestLimitExceeded":
                return (ObjectStoreErrorKind.Busy, $"the service asks for fewer requests{Said(fault)} ({attempts} tries)");
            case "InvalidObjectState":
                return (ObjectStoreErrorKind.Unsupported, "the object lies in an archive class; restore it or keep lifecycle rules off Floe's prefix");
            case "AuthorizationHeaderMalformed" or "PermanentRedirect" or "IllegalLocationConstraintException":
                return (ObjectStoreErrorKind.Unsupported, WrongRegion(fault, address, store));
            case "NotImplemented":
                return (ObjectStoreErrorKind.Unsupported, $"the service does not do {action} the way Floe needs: {Clean(fault.Message)}");
            case "ConditionalRequestConflict" or "ConcurrentModification":
                return (ObjectStoreErrorKind.PreconditionFailed, "others kept writing the same object");
        }

        return fault.Status switch
        {
            HttpStatusCode.NotFound => (ObjectStoreErrorKind.NotFound, "it is not there"),
            HttpStatusCode.PreconditionFailed => (ObjectStoreErrorKind.PreconditionFailed, "it exists already, or was changed or removed by somebody else"),
            HttpStatusCode.Forbidden => (ObjectStoreErrorKind.AccessDenied, $"access denied: these credentials need {action} here{Said(fault)}"),
            HttpStatusCode.Unauthorized => (ObjectStoreErrorKind.Credentials, $"the service wants other credentials{Said(fault)}"),
            HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect => (ObjectStoreErrorKind.Unsupported, WrongRegion(fault, address, store)),
            HttpStatusCode.RequestedRangeNotSatisfiable => (ObjectStoreErrorKind.Truncated, "the object ends before the range that was asked for"),
            HttpStatusCode.InsufficientStorage => (ObjectStoreErrorKind.NoSpace, "the store is full"),
            // HEAD has no body, and so no code.
            HttpStatusCode.ServiceUnavailable or HttpStatusCode.TooManyRequests =>
                (ObjectStoreErrorKind.Busy, $"the service asks for fewer requests, with status {(int)fault.Status}{Said(fault)} ({attempts} tries)"),
            null => (ObjectStoreErrorKind.Unavailable, $"{address.Authority} does not answer: {Reason(fault)} ({attempts} tries); check endpoint and network"),
            >= HttpStatusCode.InternalServerError or HttpStatusCode.RequestTimeout =>
                (ObjectStoreErrorKind.Unavailable, $"the service fails with status {(int)fault.Status}{Said(fault)} ({attempts} tries)"),
            _ => (ObjectStoreErrorKind.Unsupported, $"{action} was refused with status {(int)fault.Status}{Said(fault)}"),
        };
    }

    private static string WrongRegion(S3Fault fault, S3Address address, StoreUrl store) => fault.Region is { } region
        ? $"bucket '{store.Container}' lies in region {Clean(region)}, not {address.Region}; set AWS_REGION={Clean(region)}"
        : $"bucket '{store.Container}' does not lie in region {address.Region}; set AWS_REGION to the bucket's";

    private static string Said(S3Fault fault) =>
        fault.Code.Length == 0 ? "" : $" ({Clean(fault.Code)}: {Clean(fault.Message)})";

    /// <summary>What happened, in the words of whoever knows best: the socket, the HTTP client, the service.</summary>
    public static string Reason(S3Fault fault)
    {
        for (Exception? e = fault; e is not null; e = e.InnerException)
        {
            if (e is SocketException)
            {
                return Clean(e.Message);
            }
        }

        return Clean(fault.InnerException is HttpRequestException { InnerException: { } inner } ? inner.Message : fault.Message);
    }
}
