using System.Collections.Concurrent;
using System.IO.Hashing;
using Floe.Linux;
using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Packs;
using Floe.Store.Compression;

namespace Floe.Store.Reading;

/// <summary>
/// Fetches frames that lie side by side in one request, decompresses and verifies them. As many requests at a time as there are
/// range buffers; whoever starts one more waits.
/// </summary>
internal sealed class FrameFetcher(IObjectStore objects, FrameMap frames, ReadBudget budget) : IAsyncDisposable
{
    /// <summary>Bytes that are cheaper to read and drop than to ask around.</summary>
    private const int MaxGapBytes = 64 << 10;

    private readonly SemaphoreSlim _ranges = new(budget.Ranges);
    private readonly ConcurrentBag<NativeBuffer> _buffers = [];
    private readonly ConcurrentBag<ZstdDecompressor> _decompressors = [];

    /// <summary>Starts filling those slots and returns when all requests are under way. Each slot tells for itself when it is ready.</summary>
    public async Task StartAsync(List<FrameSlot> slots, CancellationToken cancellationToken)
    {
        slots.Sort((a, b) => Place(a).CompareTo(Place(b)));
        for (var from = 0; from < slots.Count;)
        {
            var to = from + 1;
            while (to < slots.Count && BelongTogether(slots, from, to))
            {
                to++;
            }

            var range = slots.GetRange(from, to - from);
            from = to;
            try
            {
                await _ranges.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                slots.Skip(to - range.Count).ToList().ForEach(s => s.Failed(failure));
                throw;
            }

            _ = Task.Run(() => FetchAsync(range, cancellationToken), CancellationToken.None);
        }
    }

    /// <summary>Waits for every request under way and gives all memory back.</summary>
    public async ValueTask DisposeAsync()
    {
        for (var i = 0; i < budget.Ranges; i++)
        {
            await _ranges.WaitAsync().ConfigureAwait(false);
        }

        foreach (var buffer in _buffers)
        {
            ((IDisposable)buffer).Dispose();
        }

        foreach (var decompressor in _decompressors)
        {
            decompressor.Dispose();
        }

        _ranges.Dispose();
    }

    /// <summary>Decompresses a frame and checks every block of it. <paramref name="key"/> names the pack in the exception.</summary>
    public static void Decode(ReadOnlySpan<byte> stored, in FrameEntry entry, PackDirectory directory, Span<byte> raw, ZstdDecompressor zstd, ObjectKey key)
    {
        if (entry.Codec != FrameCodec.Raw)
        {
            Decompress(stored, entry, raw, zstd, key);
        }
        else if (stored != raw)
        {
            stored.CopyTo(raw);
        }

        Verify(entry, directory, raw, key);
    }

    private static void Decompress(ReadOnlySpan<byte> stored, in FrameEntry entry, Span<byte> raw, ZstdDecompressor zstd, ObjectKey key)
    {
        if (XxHash3.HashToUInt64(stored) != entry.Checksum || !(entry.Codec == FrameCodec.Lz4 ? Lz4.TryDecompress(stored, raw) : zstd.TryDecompress(stored, raw)))
        {
            throw new SnapshotDamagedException(key.Value, $"frame {entry.Frame} at byte {entry.Offset} is damaged");
        }
    }

    private static void Verify(in FrameEntry entry, PackDirectory directory, ReadOnlySpan<byte> raw, ObjectKey key)
    {
        var offset = 0;
        for (var i = 0; i < entry.BlockCount; i++)
        {
            var expected = directory.Block(entry.FirstBlock + i);
            if (BlockId.Of(raw.Slice(offset, expected.Length)) != expected)
            {
                throw new SnapshotDamagedException(key.Value, $"block {i} of frame {entry.Frame} at byte {entry.Offset} is damaged");
            }

            offset += expected.Length;
        }
    }

    private (int Pack, int Offset) Place(FrameSlot slot) => (frames.Pack(slot.Frame), frames.Entry(slot.Frame).Offset);

    private bool BelongTogether(List<FrameSlot> slots, int first, int next)
    {
        ref readonly var start = ref frames.Entry(slots[first].Frame);
        ref readonly var before = ref frames.Entry(slots[next - 1].Frame);
        ref readonly var entry = ref frames.Entry(slots[next].Frame);
        return frames.Pack(slots[next].Frame) == frames.Pack(slots[first].Frame)
            && entry.Offset - (before.Offset + before.StoredBytes) <= MaxGapBytes
            && entry.Offset + entry.StoredBytes - start.Offset <= budget.RangeBytes;
    }

    /// <summary>Where a range's bytes go: raw frames to where they stay, what must be decompressed, and gaps, into the buffer at their distance from the start.</summary>
    private ScatteredMemory Destinations(List<FrameSlot> range, Memory<byte> buffer)
    {
        var pieces = new List<Memory<byte>>(range.Count);
        var start = frames.Entry(range[0].Frame).Offset;
        var end = start;
        foreach (var slot in range)
        {
            var entry = frames.Entry(slot.Frame);
            if (entry.Offset > end)
            {
                pieces.Add(buffer[(end - start)..(entry.Offset - start)]);
            }

            pieces.Add(entry.Codec == FrameCodec.Raw ? slot.Memory[..entry.RawBytes] : buffer.Slice(entry.Offset - start, entry.StoredBytes));
            end = entry.Offset + entry.StoredBytes;
        }

        return new ScatteredMemory(pieces);
    }

    private async Task FetchAsync(List<FrameSlot> range, CancellationToken cancellationToken)
    {
        NativeBuffer? buffer = null;
        ZstdDecompressor? zstd = null;
        var filled = 0;
        try
        {
            buffer = _buffers.TryTake(out var rested) ? rested : new NativeBuffer(budget.RangeBytes);
            zstd = _decompressors.TryTake(out var idle) ? idle : new ZstdDecompressor();
            var start = frames.Entry(range[0].Frame).Offset;
            var key = frames.Keys[frames.Pack(range[0].Frame)];
            var stored = buffer.Memory;
            await StoredObjects.ReadAsync(objects, key, start, Destinations(range, stored), cancellationToken).ConfigureAwait(false);
            for (; filled < range.Count; filled++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var slot = range[filled];
                var entry = frames.Entry(slot.Frame);
                var raw = slot.Memory.Span[..entry.RawBytes];
                Decode(entry.Codec == FrameCodec.Raw ? raw : stored.Span.Slice(entry.Offset - start, entry.StoredBytes), entry, frames.Directory(slot.Frame), raw, zstd, key);
                frames.FoundWhole(slot.Frame);
                slot.Filled();
            }
        }
        catch (Exception failure)
        {
            for (; filled < range.Count; filled++)
            {
                range[filled].Failed(failure);
            }
        }
        finally
        {
            if (buffer is not null)
            {
                _buffers.Add(buffer);
            }

            if (zstd is not null)
            {
                _decompressors.Add(zstd);
            }

            _ranges.Release();
        }
    }
}
