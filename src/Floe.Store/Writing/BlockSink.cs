using System.Collections;
using Floe.Store.Blocks;
using Floe.Store.Coding;

namespace Floe.Store.Writing;

/// <summary>One thread's way into a snapshot: names known blocks, puts unknown ones into its open frame.</summary>
internal sealed class BlockSink : IBlockSink
{
    private readonly SnapshotWriter _writer;
    private readonly KnownBlocks _known;
    private readonly FrameBuilder _frames;
    private readonly RunEncoder _runs;
    private StreamId _stream;
    private int _ordinal;
    private long _segmentBytes;
    private bool _inSegment;
    private bool _disposed;

    public BlockSink(SnapshotWriter writer, KnownBlocks known, FrameBuilder frames)
    {
        _writer = writer;
        _known = known;
        _frames = frames;
        _runs = new RunEncoder(known.Frames);
    }

    public SinkCounters Counters { get; } = new();

    /// <summary>Packs of earlier snapshots that this sink's blocks lie in, by pack index.</summary>
    public BitArray UsedPacks { get; } = new(64);

    public void BeginSegment(StreamId stream, int ordinal)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(ordinal);
        if (_inSegment)
        {
            throw new InvalidOperationException("the segment before is still open");
        }

        _writer.CheckStream(stream);
        _stream = stream;
        _ordinal = ordinal;
        _segmentBytes = 0;
        _inSegment = true;
        _runs.Begin();
    }

    public Span<byte> Reserve(int byteCount)
    {
        CheckInSegment();
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(byteCount, BlockFormat.MaxReservedBytes);
        return _frames.Reserve(byteCount);
    }

    public void Append(ReadOnlySpan<byte> block)
    {
        CheckInSegment();
        if ((uint)(block.Length - 1) >= BlockFormat.MaxBlockBytes)
        {
            throw new ArgumentOutOfRangeException(nameof(block), block.Length, $"a block has 1 to {BlockFormat.MaxBlockBytes} bytes");
        }

        _segmentBytes += block.Length;
        if (block.IndexOfAnyExcept((byte)0) < 0)
        {
            _runs.Zeros(block.Length);
            Counters.AddZero(block.Length);
            return;
        }

        var id = BlockId.Of(block, _known.Seed);
        var isKnown = _known.FindOrAdd(id, _frames.PlaceFor(block.Length), out var place, out var pack);
        if (!isKnown)
        {
            _frames.Add(id, block);
        }
        else if (pack > 0)
        {
            MarkUsed(pack);
        }

        _runs.Block(place);
        Counters.AddBlock(block.Length, isKnown);
    }

    public void AppendZeros(long byteCount)
    {
        CheckInSegment();
        ArgumentOutOfRangeException.ThrowIfNegative(byteCount);
        _segmentBytes = checked(_segmentBytes + byteCount);
        _runs.Zeros(byteCount);
        Counters.AddZero(byteCount);
    }

    public void EndSegment()
    {
        CheckInSegment();
        _inSegment = false;
        _writer.AddSegment(_stream, _ordinal, new StreamSegment(_segmentBytes, _runs.End()));
    }

    /// <summary>
    /// Sends the open frame on its way. A segment left open makes the commit fail, because its content is not whole; then nothing is sent, which
    /// could wait for a buffer or fail with what has ended the snapshot already.
    /// </summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        var problem = _inSegment ? "a sink was disposed in the middle of a segment" : "a sink could not hand over its last blocks";
        try
        {
            if (!_inSegment)
            {
                _frames.Flush();
                problem = null;
            }
        }
        finally
        {
            _frames.Dispose();
            _writer.SinkClosed(this, problem);
        }
    }

    private void CheckInSegment()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_inSegment)
        {
            throw new InvalidOperationException("no segment is open");
        }
    }

    private void MarkUsed(int pack)
    {
        if (pack >= UsedPacks.Length)
        {
            UsedPacks.Length = Math.Max(pack + 1, UsedPacks.Length * 2);
        }

        UsedPacks[pack] = true;
    }
}

/// <param name="ByteCount">Length of the segment's content, zeros included.</param>
/// <param name="Runs">As <see cref="RunEncoder"/> writes them.</param>
internal readonly record struct StreamSegment(long ByteCount, byte[] Runs);
