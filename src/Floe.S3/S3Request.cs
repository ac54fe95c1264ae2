using System.Security.Cryptography;

namespace Floe.S3;

/// <summary>What a call queues with: none is held up behind others that take longer.</summary>
internal enum S3Lane
{
    /// <summary>One of thousands that may be wanted at a time: the answers' delay is all there is to them.</summary>
    Small,

    /// <summary>A few written bytes that others wait for: a lease's renewal, a manifest.</summary>
    Control,

    /// <summary>A transfer.</summary>
    Bulk,
}

/// <summary>One S3 call, to be signed anew for every attempt. The body is borrowed until the call ends.</summary>
internal sealed record S3Request(HttpMethod Method, string Key, string Action)
{
    /// <summary>Bodies up to this size are signed; hashing larger ones costs more CPU than sending them, so those carry a CRC32C instead.</summary>
    public const int MaxSignedPayloadBytes = 64 << 10;

    /// <summary>Encoded, parameters sorted by name, each with '='.</summary>
    public string Query { get; init; } = "";

    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Null: no body (as against an empty one).</summary>
    public ReadOnlyMemory<byte>? Body { get; init; }

    /// <summary>A body that lies in a file instead; the file is borrowed until the call ends.</summary>
    public FileRange? FileBody { get; private init; }

    /// <summary>
    /// Ends the call as cancelling it does, but only while some of <see cref="FileBody"/> is not sent: nothing can come of it afterwards.
    /// </summary>
    public CancellationToken Stop { get; init; }

    public S3Lane Lane { get; init; }

    /// <summary>Never sent again once it may have taken effect: a fault of the kind that may pass ends it.</summary>
    public bool IsSentOnce { get; init; }

    /// <summary>The value of x-amz-content-sha256.</summary>
    public string PayloadHash { get; private init; } = SigV4.EmptyPayload;

    public static S3Request With(S3Request request, ReadOnlyMemory<byte> body) => request with
    {
        Body = body,
        Lane = body.Length > MaxSignedPayloadBytes ? S3Lane.Bulk : S3Lane.Control,
        PayloadHash = body.Length == 0 ? SigV4.EmptyPayload
            : body.Length <= MaxSignedPayloadBytes ? Convert.ToHexStringLower(SHA256.HashData(body.Span))
            : SigV4.UnsignedPayload,
    };

    public static S3Request With(S3Request request, FileRange body) => request with
    {
        FileBody = body,
        Lane = S3Lane.Bulk,
        PayloadHash = SigV4.UnsignedPayload,
    };

    /// <summary>Joins parameters into a query: sorted and encoded as the signature wants them.</summary>
    public static string QueryOf(params IEnumerable<(string Name, string? Value)> parameters) => string.Join('&', parameters
        .Where(p => p.Value is not null)
        .OrderBy(p => p.Name, StringComparer.Ordinal)
        .Select(p => $"{p.Name}={SigV4.Encode(p.Value!, keepSlash: false)}"));
}
