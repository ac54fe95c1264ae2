using System.IO.Hashing;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Floe.Linux;
using Floe.Store.Blocks;
using Floe.Store.Packs;
using Floe.Store.Compression;

namespace Floe.Store.Writing;

/// <summary>
/// One sink's frames: blocks gather in the open frame; a full frame is compressed, or found not worth it, into a batch of
/// about 1 MiB that goes into the writer's pack in one piece. For one thread.
/// </summary>
internal sealed class FrameBuilder : IDisposable
{
    /// <summary>Ids are taken in rows so that a sink's frames follow each other and its runs of blocks stay long.</summary>
    private const int FrameIdsAtOnce = 256;

    /// <summary>Stored bytes, and what the last frame has beyond them.</summary>
    public const int BatchBytes = 1 << 20;

    private readonly KnownBlocks _known;
    private readonly PackAssembler _packs;
    private readonly Func<FrameEncoding> _nextEncoding;
    private const int StagingBytes = BatchBytes + BlockFormat.MaxFrameBytes;

    // Behind each there is room for what is reserved beyond the end of a frame.
    private readonly NativeBuffer _scratch = new(BlockFormat.MaxFrameBytes + BlockFormat.MaxReservedBytes);
    private readonly NativeBuffer _staging = new(StagingBytes + BlockFormat.MaxReservedBytes);
    private readonly ZstdCompressor _zstd = new();
    private readonly Lz4 _lz4 = new();
    private readonly CompressibilityProbe _probe = new();
    private readonly FrameBatch _batch = new();
    private readonly BlockId[] _blocks = new BlockId[BlockLocation.MaxBlocksPerFrame];
    private uint _frame;
    private uint _nextId;
    private int _idsLeft;
    private int _blockCount;
    private int _rawBytes;
    private bool _isOpen;
    private FrameEncoding _encoding;

    /// <summary>The open frame's blocks are written where a raw frame's bytes belong, because it will be one.</summary>
    private bool _inPlace;

    public FrameBuilder(KnownBlocks known, PackAssembler packs, Func<FrameEncoding> nextEncoding)
    {
        _known = known;
        _packs = packs;
        _nextEncoding = nextEncoding;
    }

    /// <summary>Where the next new block of this length will lie. Closes the open frame when it would not fit.</summary>
    public BlockLocation PlaceFor(int length)
    {
        if (_isOpen && (_rawBytes + length > MaxBytes || _blockCount == BlockLocation.MaxBlocksPerFrame))
        {
            CloseFrame();
        }

        if (!_isOpen)
        {
            OpenFrame();
        }

        return new BlockLocation(_frame, _blockCount);
    }

    /// <summary>The memory behind the last block of the open frame.</summary>
    public Span<byte> Reserve(int byteCount)
    {
        if (!_isOpen)
        {
            OpenFrame();
        }

        return Behind(byteCount);
    }

    /// <summary>Puts a block at the place that <see cref="PlaceFor"/> gave last.</summary>
    public void Add(in BlockId id, ReadOnlySpan<byte> block)
    {
        var target = Behind(block.Length);
        if (!Unsafe.AreSame(ref MemoryMarshal.GetReference(target), ref MemoryMarshal.GetReference(block)))
        {
            block.CopyTo(target);
        }

        _blocks[_blockCount++] = id;
        _rawBytes += block.Length;
    }

    /// <summary>Hands everything over to the packs.</summary>
    public void Flush()
    {
        if (_isOpen && _blockCount > 0)
        {
            CloseFrame();
        }

        FlushBatch();
    }

    public void Dispose()
    {
        ((IDisposable)_scratch).Dispose();
        ((IDisposable)_staging).Dispose();
        _zstd.Dispose();
        _lz4.Dispose();
    }

    /// <summary>LZ4 is a quarter faster while its table needs 16 bits a place, and its window is no longer than that anyway.</summary>
    private int MaxBytes => _encoding.Codec == FrameCodec.Lz4 ? BlockFormat.MaxLz4FrameBytes : BlockFormat.MaxFrameBytes;

    private Span<byte> Behind(int byteCount) =>
        _inPlace ? _staging.Span.Slice(_batch.StoredBytes + _rawBytes, byteCount) : _scratch.Span.Slice(_rawBytes, byteCount);

    private void OpenFrame()
    {
        if (_idsLeft == 0)
        {
            _nextId = _known.TakeFrames(FrameIdsAtOnce);
            _idsLeft = FrameIdsAtOnce;
        }

        _frame = _nextId++;
        _idsLeft--;
        _known.Frames.Set(_frame, FrameTable.Open, 0);
        _isOpen = true;
        _blockCount = 0;
        _rawBytes = 0;
        _inPlace = _probe.NextIsRaw();
        _encoding = _inPlace ? default : _nextEncoding();
    }

    private void CloseFrame()
    {
        _isOpen = false;
        var stored = _staging.Span[_batch.StoredBytes..];
        var codec = FrameCodec.Raw;
        var storedBytes = _rawBytes;
        ulong checksum = 0;
        if (!_inPlace)
        {
            var raw = _scratch.Span[.._rawBytes];
            if (_encoding.Codec != FrameCodec.Raw && _probe.IsWorthTrying(raw, _zstd, stored))
            {
                // A compressed frame must save 5 %: a smaller gain is not worth decompressing for.
                var target = stored[..(int)(_rawBytes * 0.95)];
                var compressed = _encoding.Codec == FrameCodec.Lz4 ? _lz4.Compress(raw, target) : _zstd.Compress(raw, target, _encoding.Level);
                _probe.Tried(saved: compressed > 0);
                if (compressed > 0)
                {
                    codec = _encoding.Codec;
                    storedBytes = compressed;
                    checksum = XxHash3.HashToUInt64(stored[..compressed]);
                }
            }

            if (codec == FrameCodec.Raw)
            {
                raw.CopyTo(stored);
            }
        }

        _known.Frames.Set(_frame, FrameTable.Open, _blockCount);
        PackFormat.WriteEntry(_batch.Entries, _frame, codec, storedBytes, checksum, _blocks.AsSpan(0, _blockCount));
        _batch.Add(_frame, _blockCount, storedBytes);
        if (_batch.StoredBytes >= BatchBytes || StagingBytes - _batch.StoredBytes < BlockFormat.MaxFrameBytes)
        {
            FlushBatch();
        }
    }

    private void FlushBatch()
    {
        if (_batch.StoredBytes > 0)
        {
            _packs.Append(_batch, _staging.Span[.._batch.StoredBytes]);
            _batch.Clear();
        }
    }
}
