using System.Globalization;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace Floe.Testing.S3;

/// <summary>What an operation answers, before a fault spoils it.</summary>
internal sealed record S3DoubleAnswer(int Status)
{
    public List<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>The body, unless it comes from the pattern.</summary>
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Offset and length of a body that is the pattern over and over.</summary>
    public (long Offset, long Length)? PatternRange { get; init; }

    /// <summary>Content-Length of an answer to HEAD.</summary>
    public long? HeadLength { get; init; }

    public long Length => PatternRange?.Length ?? Body.Length;

    public static S3DoubleAnswer Error(int status, string code, string xml = "") => new(status)
    {
        Headers = { ("Content-Type", "application/xml") },
        Body = Encoding.UTF8.GetBytes($"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>said the double</Message>{xml}</Error>"),
    };

    public static S3DoubleAnswer Xml(string text) => new(200)
    {
        Headers = { ("Content-Type", "application/xml") },
        Body = Encoding.UTF8.GetBytes("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + text),
    };

    public async Task WriteAsync(HttpContext context, S3DoubleFault? fault, CancellationToken disposed, S3DoublePace? pace = null)
    {
        var response = context.Response;
        var limit = Limit(fault);
        response.StatusCode = Status;
        foreach (var (name, value) in Headers)
        {
            response.Headers[name] = (name, fault?.Kind) switch
            {
                ("Content-Range", S3DoubleFaultKind.WrongContentRange) => "bytes 1" + value["bytes ".Length..],
                ("Content-Range", S3DoubleFaultKind.ShortAnswer) => Shorter(value, limit),
                ("ETag", S3DoubleFaultKind.WrongETag) => "\"of-another-version\"",
                _ => value,
            };
        }

        response.ContentLength = HeadLength ?? (Status is 204 or 304 ? null : fault?.Kind == S3DoubleFaultKind.ShortAnswer ? limit : Length);
        if (Length == 0 || HeadLength is not null)
        {
            return;
        }

        if (fault?.Kind == S3DoubleFaultKind.EndsEarly)
        {
            response.ContentLength = null;
            response.Headers.TransferEncoding = "identity";
            response.Headers.Connection = "close";
        }

        for (long done = 0; done < limit;)
        {
            var piece = Piece(done, (int)Math.Min(limit - done, fault?.Kind == S3DoubleFaultKind.SlowAnswer ? 64 << 10 : 256 << 10));
            if (fault?.Kind == S3DoubleFaultKind.SlowAnswer)
            {
                await Task.Delay(5, context.RequestAborted);
            }

            if (fault?.Kind == S3DoubleFaultKind.CorruptAnswer && done == 0)
            {
                var changed = piece.ToArray();
                changed[^1] ^= 1;
                piece = changed;
            }

            if (pace is not null)
            {
                await pace.OutAsync(piece.Length, context.RequestAborted);
            }

            await response.Body.WriteAsync(piece, context.RequestAborted);
            done += piece.Length;
        }

        if (limit < Length && fault!.Kind is S3DoubleFaultKind.ResetInAnswer or S3DoubleFaultKind.StallInAnswer)
        {
            await response.Body.FlushAsync(context.RequestAborted);
            if (fault.Kind == S3DoubleFaultKind.StallInAnswer)
            {
                await S3DoubleRequests.StallAsync(context, disposed);
            }

            context.Abort();
        }
    }

    /// <summary>Bytes of the body that are sent.</summary>
    private long Limit(S3DoubleFault? fault) => fault?.Kind switch
    {
        S3DoubleFaultKind.ResetInAnswer or S3DoubleFaultKind.StallInAnswer => Math.Min(fault.AfterBytes, Length),
        S3DoubleFaultKind.ShortAnswer or S3DoubleFaultKind.EndsEarly when Length > 0 => Math.Min(fault.AfterBytes, Length - 1),
        _ => Length,
    };

    /// <summary>"bytes 5-9/20" of two bytes is "bytes 5-6/20".</summary>
    private static string Shorter(string contentRange, long count)
    {
        var ends = contentRange["bytes ".Length..].Split('-', '/');
        return string.Create(CultureInfo.InvariantCulture, $"bytes {ends[0]}-{long.Parse(ends[0], CultureInfo.InvariantCulture) + count - 1}/{ends[2]}");
    }

    private ReadOnlyMemory<byte> Piece(long at, int count)
    {
        if (PatternRange is not { } range)
        {
            return Body.Slice((int)at, count);
        }

        var start = (int)((range.Offset + at) % S3DoubleState.Pattern.Length);
        return S3DoubleState.Pattern.AsMemory(start, Math.Min(count, S3DoubleState.Pattern.Length - start));
    }
}
