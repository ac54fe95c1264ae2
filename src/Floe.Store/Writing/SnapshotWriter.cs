using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Packs;
using Floe.Store.Writing;

namespace Floe.Store;

/// <summary>A snapshot being written. Nothing of it can be seen in the store before <see cref="CommitAsync"/>; dispose without commit abandons it.</summary>
public sealed class SnapshotWriter : ISnapshotContent, IAsyncDisposable
{
    private readonly IObjectStore _objects;
    private readonly TimeProvider _time;
    private readonly Lease _lease;
    private readonly KnownBlocks _known;
    private readonly SnapshotWriterOptions _options;
    private readonly IFrameCompressionPolicy _compression;
    private readonly PackAssembler _packs;
    private readonly StreamTable _streams = new();
    private readonly Lock _sinksLock = new();
    private readonly List<BlockSink> _sinks = [];
    private readonly HashSet<int> _olderPacks = [];
    private readonly long _began;
    private int _openSinks;
    private string? _spoiled;
    private SinkTotals _closed;
    private bool _ended;

    internal SnapshotWriter(IObjectStore objects, Lease lease, KnownBlocks known, SnapshotWriterOptions options, TimeProvider time)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.KeepSnapshots, 1);
        _objects = objects;
        _lease = lease;
        _known = known;
        _options = options;
        _time = time;
        _compression = options.Compression ?? new AdaptiveCompression();
        var (packBytes, buffers) = options.Buffers(objects.MaxConnections);
        _began = time.GetTimestamp();
        known.BeginWriter();
        _packs = new PackAssembler(objects, lease.Key, known, lease.NextName, packBytes, buffers, time, options.Stop);
    }

    /// <summary>May be read at any time by any thread.</summary>
    public SnapshotProgress Progress
    {
        get
        {
            var totals = Totals();
            return new SnapshotProgress(totals.Raw, totals.Zero, totals.Dedup, totals.Raw - totals.Zero - totals.Dedup, _packs.UploadedBytes);
        }
    }

    public StreamId AddStream(string name)
    {
        ThrowIfEnded();
        return _streams.AddStream(name);
    }

    public void AddSmallImage(string name, byte[] content)
    {
        ThrowIfEnded();
        _streams.AddSmallImage(name, content);
    }

    public IBlockSink CreateSink()
    {
        ThrowIfEnded();
        var sink = new BlockSink(this, _known, new FrameBuilder(_known, _packs, NextEncoding));
        lock (_sinksLock)
        {
            _sinks.Add(sink);
            _openSinks++;
        }

        return sink;
    }

    /// <summary>
    /// Sends what closed frames wait in pack buffers and returns when all of it is durable. Dispose the sinks first: then every
    /// block taken in so far stays known even if this snapshot is abandoned afterwards (pre-copy).
    /// </summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        ThrowIfEnded();
        await _packs.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes the snapshot part of the task: everything durable, lease confirmed, manifest written. All sinks must be disposed.
    /// <see cref="LeaseLostException"/> when the task is another agent's now; an <see cref="ObjectStoreException"/> when the store
    /// fails. After either, nothing more can be done with this writer but to dispose it.
    /// </summary>
    public async Task<Manifest> CommitAsync(TaskFacts task, MachineFacts machine, SnapshotTimings timings, CancellationToken cancellationToken)
    {
        ThrowIfEnded();
        var began = _time.GetTimestamp();
        lock (_sinksLock)
        {
            if (_openSinks > 0)
            {
                throw new InvalidOperationException($"{_openSinks} sinks are still open");
            }

            if (_spoiled is not null)
            {
                throw new InvalidOperationException(_spoiled);
            }
        }

        var index = _streams.ToIndex();
        await _packs.FlushAsync(cancellationToken).ConfigureAwait(false);
        var totals = Totals();
        var draft = new SnapshotDraft
        {
            Index = index,
            Packs = UsedPacks(),
            NextFrame = _known.NextFrame,
            Seed = _known.Seed,
            Totals = new SnapshotTotals
            {
                RawBytes = totals.Raw,
                ZeroBytes = totals.Zero,
                DedupBytes = totals.Dedup,
                NewBytes = totals.Raw - totals.Zero - totals.Dedup,
                UploadedBytes = _packs.UploadedBytes,
                Blocks = totals.Blocks,
                Streams = index.Streams.Count,
                SmallImages = index.SmallImages.Count,
                SmallImageBytes = index.SmallImages.Sum(i => (long)i.Value.Length),
            },
            Task = task,
            Machine = machine,
            Timings = timings with { UploadMillis = (long)_packs.UploadTime.TotalMilliseconds },
        };
        var commit = new SnapshotCommit(_objects, _lease, _time);
        try
        {
            var manifest = await commit.RunAsync(draft, _options.KeepSnapshots, began, cancellationToken).ConfigureAwait(false);
            await EndAsync().ConfigureAwait(false);
            return manifest;
        }
        finally
        {
            MayBeCommitted = commit.IsTried;
        }
    }

    /// <summary>The manifest was sent. Where <see cref="CommitAsync"/> failed all the same it may have got through, or not.</summary>
    public bool MayBeCommitted { get; private set; }

    /// <summary>Ends the writer. Blocks whose packs are durable stay known.</summary>
    public async ValueTask DisposeAsync() => await EndAsync().ConfigureAwait(false);

    internal void CheckStream(StreamId stream) => _streams.CheckStream(stream);

    internal void AddSegment(StreamId stream, int ordinal, StreamSegment segment) => _streams.AddSegment(stream, ordinal, segment);

    internal void SinkClosed(BlockSink sink, string? problem)
    {
        lock (_sinksLock)
        {
            _sinks.Remove(sink);
            _openSinks--;
            _closed += SinkTotals.Of(sink.Counters);
            _spoiled ??= problem;
            for (var pack = 1; pack < sink.UsedPacks.Length; pack++)
            {
                if (sink.UsedPacks[pack])
                {
                    _olderPacks.Add(pack);
                }
            }
        }
    }

    /// <summary>Every pack that a block of this snapshot may lie in: its own, and the older ones that its sinks met.</summary>
    private List<PackReference> UsedPacks()
    {
        var own = _packs.DurablePacks;
        lock (_sinksLock)
        {
            _olderPacks.UnionWith(own.Select(p => p.Index));
            return [.. _olderPacks.Order().Select(i => _known.Pack(i).Reference!)];
        }
    }

    private FrameEncoding NextEncoding()
    {
        var pressure = new CompressionPressure(
            (long)_time.GetElapsedTime(_began).TotalNanoseconds, (long)_packs.Waited.TotalNanoseconds, Volatile.Read(ref _openSinks),
            _packs.StoredBytes, _packs.UploadedBytes);
        return _compression.Next(pressure);
    }

    private SinkTotals Totals()
    {
        lock (_sinksLock)
        {
            return _sinks.Aggregate(_closed, (sum, sink) => sum + SinkTotals.Of(sink.Counters));
        }
    }

    private async Task EndAsync()
    {
        lock (_sinksLock)
        {
            if (_ended)
            {
                return;
            }

            _ended = true;
        }

        await _packs.DisposeAsync().ConfigureAwait(false);
        _known.EndWriter();
    }

    private void ThrowIfEnded()
    {
        lock (_sinksLock)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
        }
    }
}
