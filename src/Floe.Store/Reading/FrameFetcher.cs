using Floe.Linux;
using Floe.S3;
using Floe.Store.Packs;
using Floe.Store.Compression;

namespace Floe.Store.Reading;

/// <summary>
/// Fetches frames that lie side by side in one request, decompresses and verifies them. All reads together have as many requests
/// under way as there are range buffers; whoever starts one more waits.
/// </summary>
internal sealed class FrameFetcher(IObjectStore objects, FrameMap frames, ReadMemory memory) : IAsyncDisposable
{
    /// <summary>Bytes that are cheaper to read and drop than to ask around.</summary>
    private const int MaxGapBytes = 64 << 10;

    // This read's requests under way, and one until it is disposed.
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _pending = 1;

    /// <summary>Starts filling those slots and returns when all requests are under way. Each slot tells for itself when it is ready.</summary>
    public async Task StartAsync(List<FrameSlot> slots, CancellationToken cancellationToken)
    {
        slots.Sort((a, b) => Place(a).CompareTo(Place(b)));
        for (var from = 0; from < slots.Count;)
        {
            var to = from + 1;
            var buffered = BufferedBytes(frames.Entry(slots[from].Frame));
            while (to < slots.Count && TryJoin(slots, from, to, ref buffered))
            {
                to++;
            }

            var range = slots.GetRange(from, to - from);
            from = to;
            try
            {
                await memory.Ranges.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                slots.Skip(to - range.Count).ToList().ForEach(s => s.Failed(failure));
                throw;
            }

            Interlocked.Increment(ref _pending);
            _ = Task.Run(() => FetchAsync(range, cancellationToken), CancellationToken.None);
        }
    }

    /// <summary>Waits for every request under way.</summary>
    public async ValueTask DisposeAsync()
    {
        Ended();
        await _ended.Task.ConfigureAwait(false);
    }

    private (int Pack, int Offset) Place(FrameSlot slot) => (frames.Pack(slot.Frame), frames.Entry(slot.Frame).Offset);

    /// <summary>Whether a frame goes into the range that begins with <paramref name="first"/> and ends before <paramref name="next"/>.</summary>
    /// <param name="buffered">The range's bytes that go into its buffer.</param>
    private bool TryJoin(List<FrameSlot> slots, int first, int next, ref int buffered)
    {
        ref readonly var start = ref frames.Entry(slots[first].Frame);
        ref readonly var before = ref frames.Entry(slots[next - 1].Frame);
        ref readonly var entry = ref frames.Entry(slots[next].Frame);
        var gap = entry.Offset - (before.Offset + before.StoredBytes);
        var more = gap + BufferedBytes(entry);
        if (frames.Pack(slots[next].Frame) != frames.Pack(slots[first].Frame)
            || gap > MaxGapBytes
            || entry.Offset + entry.StoredBytes - start.Offset > memory.RangeBytes
            || buffered + more > memory.BufferBytes)
        {
            return false;
        }

        buffered += more;
        return true;
    }

    private static int BufferedBytes(in FrameEntry entry) => entry.Codec == FrameCodec.Raw ? 0 : entry.StoredBytes;

    /// <summary>Where a range's bytes go: raw frames to where they stay, what must be decompressed, and gaps, into the buffer one after the other.</summary>
    /// <returns>The places, and of each frame that must be decompressed where it is in the buffer.</returns>
    private (ScatteredMemory All, int[] Offsets) Destinations(List<FrameSlot> range, Memory<byte> buffer)
    {
        var pieces = new List<Memory<byte>>(range.Count);
        var offsets = new int[range.Count];
        var buffered = 0;
        var end = frames.Entry(range[0].Frame).Offset;
        for (var i = 0; i < range.Count; i++)
        {
            var entry = frames.Entry(range[i].Frame);
            if (entry.Offset - end is > 0 and var gap)
            {
                pieces.Add(buffer.Slice(buffered, gap));
                buffered += gap;
            }

            offsets[i] = buffered;
            pieces.Add(entry.Codec == FrameCodec.Raw ? range[i].Memory[..entry.RawBytes] : buffer.Slice(buffered, entry.StoredBytes));
            buffered += BufferedBytes(entry);
            end = entry.Offset + entry.StoredBytes;
        }

        return (new ScatteredMemory(pieces), offsets);
    }

    private async Task FetchAsync(List<FrameSlot> range, CancellationToken cancellationToken)
    {
        (NativeBuffer Buffer, ZstdDecompressor Zstd)? rented = null;
        var filled = 0;
        try
        {
            rented = memory.Rent();
            var (buffer, zstd) = rented.Value;
            var start = frames.Entry(range[0].Frame).Offset;
            var key = frames.Keys[frames.Pack(range[0].Frame)];
            var stored = buffer.Memory;
            var (all, offsets) = Destinations(range, stored);
            await StoredObjects.ReadSteadyAsync(objects, key, start, all, cancellationToken).ConfigureAwait(false);
            var decoder = new FrameDecoder(objects, key, frames.Directory(range[0].Frame), frames.Seed, zstd);
            for (; filled < range.Count; filled++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var slot = range[filled];
                var entry = frames.Entry(slot.Frame);
                var raw = slot.Memory[..entry.RawBytes];
                await decoder.DecodeAsync(entry, entry.Codec == FrameCodec.Raw ? raw : stored.Slice(offsets[filled], entry.StoredBytes), raw, cancellationToken).ConfigureAwait(false);
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
            if (rented is var (buffer, zstd))
            {
                memory.Return(buffer, zstd);
            }

            memory.Ranges.Release();
            Ended();
        }
    }

    private void Ended()
    {
        if (Interlocked.Decrement(ref _pending) == 0)
        {
            _ended.TrySetResult();
        }
    }
}
