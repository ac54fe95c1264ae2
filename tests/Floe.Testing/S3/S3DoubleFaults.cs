namespace Floe.Testing.S3;

public enum S3DoubleFaultKind
{
    /// <summary>An error answer with a status and a code, the body read first.</summary>
    Error,
    /// <summary>The connection is reset after some bytes of the request's body were read.</summary>
    ResetInRequest,
    /// <summary>The connection is reset after some bytes of the answer's body.</summary>
    ResetInAnswer,
    /// <summary>The request takes effect, then the connection is reset instead of an answer.</summary>
    LoseAnswer,
    /// <summary>Nothing is answered until the client goes away.</summary>
    Stall,
    /// <summary>The answer stops for good after some bytes, the connection stays open.</summary>
    StallInAnswer,
    /// <summary>A whole answer of fewer bytes than there are (at least one), with a length and a Content-Range that fit them.</summary>
    ShortAnswer,
    /// <summary>An answer of no said length whose connection is closed properly after some bytes, as if they were all.</summary>
    EndsEarly,
    /// <summary>The answer comes a little at a time.</summary>
    SlowAnswer,
    /// <summary>Content-Range says another offset.</summary>
    WrongContentRange,
    /// <summary>ETag says another version.</summary>
    WrongETag,
    /// <summary>One byte of the answer's body is changed.</summary>
    CorruptAnswer,
    /// <summary>The request's body arrives changed: one byte differs from what was sent.</summary>
    CorruptRequest,
    /// <summary>A body that is no answer of S3: a proxy's page, hostile XML.</summary>
    Garbage,
}

/// <param name="Times">How many requests it hits; then it is over.</param>
public sealed record S3DoubleFault(S3DoubleFaultKind Kind, int Times = 1)
{
    /// <summary>Which requests; null is all.</summary>
    public Func<S3DoubleCall, bool>? Where { get; init; }

    public int Status { get; init; } = 503;

    public string Code { get; init; } = "SlowDown";

    /// <summary>Extra text in an error's XML, such as &lt;Region&gt;.</summary>
    public string Xml { get; init; } = "";

    public IReadOnlyList<(string Name, string Value)> Headers { get; init; } = [];

    /// <summary>Bytes of the body before the fault strikes.</summary>
    public int AfterBytes { get; init; }

    /// <summary>The body of <see cref="S3DoubleFaultKind.Garbage"/>.</summary>
    public string Body { get; init; } = "";
}

/// <summary>Faults waiting to strike. Safe for concurrent use.</summary>
public sealed class S3DoubleFaults : IDisposable
{
    private readonly Lock _lock = new();
    private readonly List<(S3DoubleFault Fault, int Left)> _waiting = [];
    private readonly CancellationTokenSource _disposed = new();

    internal CancellationToken Disposed => _disposed.Token;

    public void Add(S3DoubleFault fault)
    {
        lock (_lock)
        {
            _waiting.Add((fault, fault.Times));
        }
    }

    /// <summary>Nothing is wrong any more.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            _waiting.Clear();
        }
    }

    public void Dispose() => _disposed.Cancel();

    internal S3DoubleFault? Take(S3DoubleCall call)
    {
        lock (_lock)
        {
            var index = _waiting.FindIndex(w => w.Left > 0 && (w.Fault.Where?.Invoke(call) ?? true));
            if (index < 0)
            {
                return null;
            }

            var (fault, left) = _waiting[index];
            _waiting[index] = (fault, left - 1);
            return fault;
        }
    }
}
