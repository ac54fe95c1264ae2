using System.Threading.Channels;
using Floe.S3;
using Floe.Store.Indexes;

namespace Floe.Store.Reading;

/// <summary>
/// One call of <see cref="ISnapshotSource.ReadStreamsAsync"/>. A planner walks the streams' runs ahead of the consumer and cuts
/// them into batches; each batch's frames are fetched in the order in which they lie in their packs, and handed out in the order
/// of the streams. The cache's slots bound how far ahead it runs.
/// </summary>
internal sealed class StreamRead(IObjectStore objects, FrameMap frames, ReadBudget budget, ObjectKey indexKey) : IAsyncDisposable
{
    private const int MaxStepsPerBatch = 8192;

    private readonly FrameCache _cache = new(budget.FrameSlots);
    private readonly FrameFetcher _fetcher = new(objects, frames, budget);

    private readonly Channel<Batch> _batches = Channel.CreateBounded<Batch>(new BoundedChannelOptions(32) { SingleReader = true, SingleWriter = true });

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
            await foreach (var batch in _batches.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            {
                await DeliverAsync(batch, consumer, cancellationToken).ConfigureAwait(false);
                if (before is { } done)
                {
                    await consumer.ReleasedAsync(done.Given, cancellationToken).ConfigureAwait(false);
                    Release(done.Batch);
                }

                before = (batch, consumer.Given);
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
    }

    private void Release(Batch batch)
    {
        foreach (var slot in batch.Held.Values)
        {
            _cache.Release(slot);
        }
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
                foreach (var slice in indexed.Segments.SelectMany(s => RunDecoder.Decode(s, frames)))
                {
                    if (batch.Held.Count >= budget.BatchFrames || batch.Steps.Count >= MaxStepsPerBatch)
                    {
                        await SendAsync(batch, cancellationToken).ConfigureAwait(false);
                        batch = new Batch();
                    }

                    batch.Steps.Add(slice.Frame < 0
                        ? new Step(StepKind.Zeros, slice, null, null)
                        : new Step(StepKind.Data, slice, await HoldAsync(batch, slice.Frame, cancellationToken).ConfigureAwait(false), null));
                }

                batch.Steps.Add(new Step(StepKind.End, default, null, null));
            }

            await SendAsync(batch, cancellationToken).ConfigureAwait(false);
            _batches.Writer.Complete();
        }
        catch (InvalidDataException damage)
        {
            _batches.Writer.Complete(new SnapshotDamagedException(indexKey.Value, damage.Message));
        }
        catch (Exception failure)
        {
            _batches.Writer.Complete(failure);
        }
    }

    private async ValueTask<FrameSlot> HoldAsync(Batch batch, int frame, CancellationToken cancellationToken)
    {
        if (batch.Held.TryGetValue(frame, out var held))
        {
            return held;
        }

        var (slot, mustFill) = await _cache.TakeAsync(frame, cancellationToken).ConfigureAwait(false);
        batch.Held.Add(frame, slot);
        if (mustFill)
        {
            batch.ToFill.Add(slot);
        }

        return slot;
    }

    private async Task SendAsync(Batch batch, CancellationToken cancellationToken)
    {
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
    }
}
