using Floe.FileSystem.Content;

namespace Floe.FileSystem.Moving;

/// <summary>A mount's state, and the way to the bytes that go with it. Valid until the contents are resumed.</summary>
public sealed class CapturedMount
{
    private readonly IReadOnlyList<(FileContent Content, RangeState Range)> _ranges;

    internal CapturedMount(MountState state, IReadOnlyList<(FileContent, RangeState)> ranges) => (State, _ranges) = (state, ranges);

    public MountState State { get; }

    /// <summary>Length of all ranges together.</summary>
    public long ByteCount => _ranges.Sum(r => r.Range.Count);

    /// <summary>Hands all bytes out in order, in pieces of up to 16 KiB that begin anew with every range.</summary>
    public void Read(Action<ReadOnlySpan<byte>> take, CancellationToken cancellationToken)
    {
        const int PieceBytes = 16 << 10;
        var buffer = new byte[64 * PieceBytes];
        foreach (var (content, range) in _ranges)
        {
            for (long done = 0; done < range.Count;)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var count = (int)Math.Min(buffer.Length, range.Count - done);
                content.ReadCarried(range.Offset + done, buffer.AsSpan(0, count));
                for (var at = 0; at < count; at += PieceBytes)
                {
                    take(buffer.AsSpan(at, Math.Min(PieceBytes, count - at)));
                }

                done += count;
            }
        }
    }
}

/// <summary>Takes the bytes that came with a state, in their order, and puts them where they belong.</summary>
public sealed class CarriedBytes
{
    private readonly Queue<(FileContent Content, RangeState Range)> _ranges;
    private long _done;

    internal CarriedBytes(IEnumerable<(FileContent, RangeState)> ranges) => _ranges = new Queue<(FileContent Content, RangeState Range)>(ranges);

    /// <summary>Whether all have come.</summary>
    public bool IsComplete => _ranges.Count == 0;

    /// <exception cref="MountStateException">There are more than the state says.</exception>
    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            if (!_ranges.TryPeek(out var next))
            {
                throw new MountStateException("the snapshot holds more bytes of files than its file system state says");
            }

            var count = (int)Math.Min(bytes.Length, next.Range.Count - _done);
            next.Content.AddCarried(next.Range.Offset + _done, bytes[..count]);
            _done += count;
            bytes = bytes[count..];
            if (_done == next.Range.Count)
            {
                _ranges.Dequeue();
                _done = 0;
            }
        }
    }
}
