using System.Threading.Channels;
using Floe.S3;
using Floe.Store.Indexes;

namespace Floe.Store.Reading;

/// <summary>
/// One call of <see cref="ISnapshotSource.ReadStreamsAsync"/>. A planner walks the streams' runs ahead of the consumer and cuts
/// them into batches; each batch's frames are fetched in the order in which they lie in their packs, and handed out in the order
/// of the streams. The cache's slots bound how far ahead it runs; that may become fewer at any time, as other reads begin. It goes
/// on as long as it has one: nothing is kept back that could be given, or given back, once nobody can do anything else.
/// </summary>
internal sealed class StreamRead : IAsyncDisposable
{
    private const int MaxStepsPerBatch = 8192;

    private readonly FrameMap _frames;
    private readonly ReadMemory _memory;
    private readonly ObjectKey _indexKey;
    private readonly FrameCache _cache;
    private readonly FrameFetcher _fetcher;

    private readonly Channel<Batch> _batches = Channel.CreateBounded<Batch>(new BoundedChannelOptions(32) { SingleReader = true, SingleWriter = true });

    // Batches sent whose memory the consumer still has, or will have.
    private int _unreleased;

    public StreamRead(IObjectStore objects, FrameMap frames, ReadMemory memory, ObjectKey indexKey)
    {
        _frames = frames;
        _memory = memory;
        _indexKey = indexKey;
        _cache = new FrameCache(memory);
        _fetcher = new FrameFetcher(objects, frames, memory);
        memory.Open();
    }

    private enum StepKind
    {
        Begin,
        Zeros,
        Data,
        End,
    }

    public async Task RunAsync(IReadOnlyList<(StoredStream Stream, IndexedStream Indexed)> streams, IStreamConsumer consumer, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var planning = Task.Run(() => PlanAsync(streams, stop.Token), CancellationToken.None);
        try
        {
            // A batch's memory is given back after the next batch: by then the consumer is done with it, and need not be waited for.
            (Batch Batch, long Given)? before = null;
            while (true)
            {
                if (_batches.Reader.TryRead(out var batch))
                {
                    await DeliverAsync(batch, consumer, cancellationToken).ConfigureAwait(false);
                    await ReleaseAsync(before, consumer, cancellationToken).ConfigureAwait(false);
                    before = (batch, consumer.Given);
                    continue;
                }

                // The planner may be waiting for just this memory.
                await ReleaseAsync(before, consumer, cancellationToken).ConfigureAwait(false);
                before = null;
                if (!await _batches.Reader.WaitToReadAsync(cancellationToken).ConfigureAwait(false))
                {
                    break;
                }
            }

            await consumer.ReleasedAsync(consumer.Given, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            consumer.Abandoned();
            throw;
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await planning.ConfigureAwait(false);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _fetcher.DisposeAsync().ConfigureAwait(false);
        _cache.Free();
        _memory.Close();
    }

    private async ValueTask ReleaseAsync((Batch Batch, long Given)? done, IStreamConsumer consumer, CancellationToken cancellationToken)
    {
        if (done is not var (batch, given))
        {
            return;
        }

        await consumer.ReleasedAsync(given, cancellationToken).ConfigureAwait(false);
        foreach (var slot in batch.Held.Values)
        {
            _cache.Release(slot);
        }

        Interlocked.Decrement(ref _unreleased);
        _cache.Wake();
    }

    private static async Task DeliverAsync(Batch batch, IStreamConsumer consumer, CancellationToken cancellationToken)
    {
        foreach (var step in batch.Steps)
        {
            switch (step.Kind)
            {
                case StepKind.Begin:
                    await consumer.BeginAsync(step.Stream!, cancellationToken).ConfigureAwait(false);
                    break;
                case StepKind.Zeros:
                    await consumer.ZerosAsync(step.Slice.ByteCount, cancellationToken).ConfigureAwait(false);
                    break;
                case StepKind.Data:
                    await step.Slot!.Ready.WaitAsync(cancellationToken).ConfigureAwait(false);
                    await consumer.DataAsync(step.Slot.Memory.Slice(step.Slice.Offset, (int)step.Slice.ByteCount), cancellationToken).ConfigureAwait(false);
                    break;
                default:
                    await consumer.EndAsync(cancellationToken).ConfigureAwait(false);
                    break;
            }
        }
    }

    /// <summary>Never throws: what goes wrong ends the channel with it.</summary>
    private async Task PlanAsync(IReadOnlyList<(StoredStream Stream, IndexedStream Indexed)> streams, CancellationToken cancellationToken)
    {
        try
        {
            var batch = new Batch();
            foreach (var (stream, indexed) in streams)
            {
                batch.Steps.Add(new Step(StepKind.Begin, default, null, stream));
                foreach (var slice in indexed.Segments.SelectMany(s => RunDecoder.Decode(s, _frames)))
                {
                    if (batch.Cells >= _memory.BatchCells || batch.Steps.Count >= MaxStepsPerBatch)
                    {
                        await SendAsync(batch, cancellationToken).ConfigureAwait(false);
                        batch = new Batch();
                    }

                    if (slice.Frame < 0)
                    {
                        batch.Steps.Add(new Step(StepKind.Zeros, slice, null, null));
                        continue;
                    }

                    while (!TryHold(batch, slice, out var released))
                    {
                        if (batch.Held.Count > 0 && Volatile.Read(ref _unreleased) == 0)
                        {
                            // All that this read may have now is in this batch.
                            await SendAsync(batch, cancellationToken).ConfigureAwait(false);
                            batch = new Batch();
                            continue;
                        }

                        await released.WaitAsync(cancellationToken).ConfigureAwait(false);
                    }
                }

                batch.Steps.Add(new Step(StepKind.End, default, null, null));
            }

            await SendAsync(batch, cancellationToken).ConfigureAwait(false);
            _batches.Writer.Complete();
        }
        catch (InvalidDataException damage)
        {
            _batches.Writer.Complete(new SnapshotDamagedException(_indexKey.Value, damage.Message));
        }
        catch (Exception failure)
        {
            _batches.Writer.Complete(failure);
        }
    }

    private bool TryHold(Batch batch, in Slice slice, out Task released)
    {
        released = Task.CompletedTask;
        if (!batch.Held.TryGetValue(slice.Frame, out var slot))
        {
            if (_cache.TryTake(slice.Frame, _frames.Entry(slice.Frame).RawBytes, out released) is not var (taken, mustFill))
            {
                return false;
            }

            slot = taken;
            batch.Held.Add(slice.Frame, slot);
            batch.Cells += slot.Cells;
            if (mustFill)
            {
                batch.ToFill.Add(slot);
            }
        }

        batch.Steps.Add(new Step(StepKind.Data, slice, slot, null));
        return true;
    }

    private async Task SendAsync(Batch batch, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _unreleased);
        await _batches.Writer.WriteAsync(batch, cancellationToken).ConfigureAwait(false);
        await _fetcher.StartAsync(batch.ToFill, cancellationToken).ConfigureAwait(false);
    }

    private readonly record struct Step(StepKind Kind, Slice Slice, FrameSlot? Slot, StoredStream? Stream);

    /// <param name="Held">Slots that this batch reads, by frame.</param>
    /// <param name="ToFill">Those of them that no earlier batch has asked for.</param>
    private sealed record Batch(List<Step> Steps, Dictionary<int, FrameSlot> Held, List<FrameSlot> ToFill)
    {
        public Batch()
            : this([], [], [])
        {
        }

        /// <summary>Memory of what it holds.</summary>
        public int Cells { get; set; }
    }
}
