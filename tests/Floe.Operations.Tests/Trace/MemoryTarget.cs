using Floe.Agent.Trace;

namespace Floe.Operations.Tests.Trace;

/// <summary>A place for a trace that several agents write, with the faults that a test asks for.</summary>
internal sealed class MemoryTarget
{
    private readonly Lock _gate = new();
    private int _version;

    public byte[]? Content { get; private set; }

    public int Writes { get; private set; }

    /// <summary>Asked before each write; may throw.</summary>
    public Func<int, Task>? BeforeWrite { get; set; }

    public TraceDocument Document => TraceCodec.TryRead(Content, out var problem) ?? throw new InvalidDataException(problem);

    public void Put(byte[]? content)
    {
        lock (_gate)
        {
            (Content, _version) = (content, _version + 1);
        }
    }

    public ITraceTarget Open() => new Handle(this);

    private sealed class Handle(MemoryTarget target) : ITraceTarget
    {
        private int _seen;

        public Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
        {
            lock (target._gate)
            {
                _seen = target._version;
                return Task.FromResult(target.Content);
            }
        }

        public async Task<bool> TryWriteAsync(byte[] content, CancellationToken cancellationToken)
        {
            if (target.BeforeWrite is { } before)
            {
                await before(++target.Writes).WaitAsync(cancellationToken);
            }

            lock (target._gate)
            {
                if (_seen != target._version)
                {
                    return false;
                }

                (target.Content, _seen) = (content, ++target._version);
                return true;
            }
        }
    }
}
