using Floe.Linux;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>
/// A range of a file that was fetched ahead of a reader in order and is held in memory: reads are answered from here as the bytes arrive, and
/// the local file gets them afterwards. Everything that changes is guarded by the owner's lock.
/// </summary>
/// <param name="source">The bytes are this version's.</param>
/// <param name="changes">The owner's count of changes when it was asked for: after any change the range is of no use.</param>
internal sealed class StreamedRange(FileContent owner, NativeBuffer memory, ObjectVersion source, long changes, long offset, int length)
{
    public FileContent Owner => owner;

    public NativeBuffer Memory => memory;

    public ObjectVersion Source => source;

    public long Changes => changes;

    /// <summary>In the file; the start of a block.</summary>
    public long Offset => offset;

    /// <summary>Bytes; ends at a block's end, or the object's.</summary>
    public int Length => length;

    public long FirstBlock => BlockMap.BlockOf(offset);

    public long EndBlock => BlockMap.BlocksOf(offset + length);

    /// <summary>Bytes from the start that are here.</summary>
    public int Received { get; set; }

    /// <summary>Bytes that readers took.</summary>
    public long Taken { get; set; }

    /// <summary>Nobody is expected to come again.</summary>
    public bool IsReadThrough => Taken >= length;

    /// <summary>Reads that copy from it at this moment.</summary>
    public int Users { get; set; }

    /// <summary>No longer to be found; its memory goes back when the last read has ended.</summary>
    public bool IsDropped { get; set; }

    public bool Holds(long at) => at >= offset && at < offset + Received;
}

/// <summary>Bytes of a range, lent until it is disposed.</summary>
public sealed class StreamedLoan : IDisposable
{
    private readonly StreamedRange _range;

    internal StreamedLoan(StreamedRange range, long offset, int count) =>
        (_range, Bytes) = (range, range.Memory.Memory.Slice((int)(offset - range.Offset), count));

    public ReadOnlyMemory<byte> Bytes { get; }

    public void Dispose() => _range.Owner.EndUse(_range, Bytes.Length);
}
