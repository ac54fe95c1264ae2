using System.Net;

namespace Floe.S3;

/// <summary>What to do about a failed attempt.</summary>
internal enum S3Remedy
{
    /// <summary>Nothing helps.</summary>
    GiveUp,
    /// <summary>Again after a pause.</summary>
    Retry,
    /// <summary>Our clock is off: take the server's and try again.</summary>
    SetClock,
    /// <summary>The keys have expired: get others and try again.</summary>
    RenewKeys,
    /// <summary>The bucket lies in another region: sign and ask there.</summary>
    ChangeRegion,
}

/// <summary>
/// One failed attempt: an answer that is no success, or none at all. <see cref="Remedy"/> is the only place that knows permanent from transient.
/// Codes: S3 API reference, "Error responses".
/// </summary>
internal sealed class S3Fault : Exception
{
    public S3Fault(HttpStatusCode status, S3ErrorBody body, string? regionHeader, DateTimeOffset? serverTime, TimeSpan? retryAfter, bool isHead)
        : base(body.Message ?? body.Code ?? $"HTTP status {(int)status}")
    {
        Status = status;
        Code = body.Code ?? "";
        Region = regionHeader ?? body.Region;
        ServerTime = serverTime;
        RetryAfter = retryAfter;
        IsHead = isHead;
    }

    /// <summary>No answer, or one that broke off or made no sense.</summary>
    public S3Fault(string message, Exception? inner = null, string code = "")
        : base(message, inner) => Code = code;

    /// <summary>Null: there was no whole answer.</summary>
    public HttpStatusCode? Status { get; }

    /// <summary>Trying again is pointless though there was no answer.</summary>
    public bool IsForGood { get; init; }

    public string Code { get; }

    public string? Region { get; }

    public DateTimeOffset? ServerTime { get; }

    public TimeSpan? RetryAfter { get; }

    /// <summary>HEAD answers carry no code.</summary>
    public bool IsHead { get; }

    public bool IsPreconditionFailed => Status == HttpStatusCode.PreconditionFailed;

    public bool IsNotFound => Status == HttpStatusCode.NotFound && Code is not ("NoSuchBucket" or "NoSuchUpload");

    public S3Remedy Remedy(DateTimeOffset signedAt)
    {
        switch (Code)
        {
            case "RequestTimeTooSkewed":
                return S3Remedy.SetClock;
            case "ExpiredToken" or "ExpiredTokenException" or "TokenRefreshRequired" or "InvalidToken" or "InvalidAccessKeyId":
                return S3Remedy.RenewKeys;
            case "AuthorizationHeaderMalformed" or "PermanentRedirect" or "IllegalLocationConstraintException" when Region is not null:
                return S3Remedy.ChangeRegion;
            case "SlowDown" or "ServiceUnavailable" or "InternalError" or "RequestTimeout" or "Throttling" or "ThrottlingException"
                or "TooManyRequests" or "RequestLimitExceeded" or "ConditionalRequestConflict" or "ConcurrentModification" or "OperationAborted"
                or "BadDigest" or "XAmzContentChecksumMismatch" or "XAmzContentSHA256Mismatch" or "IncompleteBody":
                return S3Remedy.Retry;
        }

        switch (Status)
        {
            case null:
                return S3Remedy.Retry;
            case HttpStatusCode.MovedPermanently or HttpStatusCode.TemporaryRedirect or HttpStatusCode.BadRequest when Region is not null:
                return S3Remedy.ChangeRegion;
            case HttpStatusCode.Forbidden when IsHead && ServerTime is { } time && (time - signedAt).Duration() > TimeSpan.FromMinutes(5):
                return S3Remedy.SetClock;
            case HttpStatusCode.BadRequest or HttpStatusCode.Forbidden when IsHead:
                return S3Remedy.RenewKeys;
            case HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests:
                return S3Remedy.Retry;
            case HttpStatusCode.NotImplemented or HttpStatusCode.InsufficientStorage:
                return S3Remedy.GiveUp;
            default:
                return (int)Status >= 500 ? S3Remedy.Retry : S3Remedy.GiveUp;
        }
    }
}
