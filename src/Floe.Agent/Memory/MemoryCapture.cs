using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>
/// Reads the memory of a frozen task into a snapshot, by address, on several threads.
///
/// CRIU says which pages count (its pagemaps) and throws its own copy of them away; the streams written here under the names
/// of CRIU's page images hold the same bytes in the same order. Reading begins with the first pages that CRIU names, while it
/// is still going through the task: of a large task that takes it long (about 0.2 s a GiB), and the link would lie idle.
/// Pages in executable mappings wait until CRIU is through (see <see cref="IImageSink.OpenPages"/>).
///
/// Each thread takes the next segment, reads it in pieces that stay in the processor's cache, cuts the pieces on the block
/// grid and hands the blocks to its sink, which hashes, looks up, compresses and uploads. A sink blocks when the uploads fall
/// behind, and with it, after a while, CRIU.
/// </summary>
internal sealed class MemoryCapture : IAsyncDisposable
{
    /// <summary>A few batches of a sink: threads take segments in turn, and what lies side by side in the process then lies near in the packs.</summary>
    private const int SegmentBytes = 2 * 1024 * 1024;

    /// <summary>CRIU may be 16 GiB ahead. Segments of badly fragmented memory, 24 bytes a run of pages, then take 48 MiB at the worst.</summary>
    private const int MaxWaiting = 8192;

    private readonly ISnapshotContent _content;
    private readonly int _threads;
    private readonly Func<bool> _mayShare;
    private readonly CancellationTokenSource _stop;
    private readonly BlockingCollection<PageSegment> _ready = new(MaxWaiting);
    private readonly List<PageSegment> _code = [];
    private Task[] _workers = [];
    private ExceptionDispatchInfo? _failure;
    private int _nextCode;
    private long _bytesRead;

    /// <param name="threads">How many threads read and hash at the same time.</param>
    /// <param name="mayShare">Whether processes may share pages that a fork left to both: asked once, when the task stands still.</param>
    /// <param name="cancellationToken">Ends it all.</param>
    public MemoryCapture(ISnapshotContent content, int threads, Func<bool> mayShare, CancellationToken cancellationToken)
    {
        _content = content;
        _threads = threads;
        _mayShare = mayShare;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
    }

    /// <summary>Bytes read so far.</summary>
    public long BytesRead => Interlocked.Read(ref _bytesRead);

    /// <summary>
    /// Takes the pages of one process of a task that stands still. For one thread; it is held back while too much waits, and
    /// gets the exception that ended a reading thread.
    /// </summary>
    public IPageStream Open(int pid, string image)
    {
        if (_workers.Length == 0)
        {
            var mayShare = _mayShare();
            _workers = [.. Enumerable.Range(0, _threads).Select(_ => Task.Factory.StartNew(() => Work(mayShare), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        }

        return new ProcessPages(_content.AddStream(SnapshotNames.CriuImage(image)), pid, ExecutableMappings.Of(pid), SegmentBytes, Add);
    }

    /// <summary>To be called when CRIU is through the task: reads the rest. Everything is in the snapshot when this returns.</summary>
    /// <param name="cancellationToken">Stops the reading: the task stands still for it, and for nothing where the snapshot has failed already.</param>
    /// <exception cref="Floe.Linux.LinuxException">A page could not be read: the snapshot must not be committed.</exception>
    public async Task FinishAsync(CancellationToken cancellationToken)
    {
        using var stopping = cancellationToken.UnsafeRegister(static stop => ((CancellationTokenSource)stop!).Cancel(), _stop);
        _ready.CompleteAdding();
        await Task.WhenAll(_workers).ConfigureAwait(false);
        _failure?.Throw();
        _stop.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Stops what still reads.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAll(_workers).ConfigureAwait(false);
        _ready.Dispose();
        _stop.Dispose();
    }

    private void Add(PageSegment segment, bool isCode)
    {
        if (isCode)
        {
            _code.Add(segment);
            return;
        }

        try
        {
            _ready.Add(segment, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            _failure?.Throw();
            throw;
        }
    }

    private void Work(bool mayShare)
    {
        try
        {
            using var reader = new SegmentReader(_content, mayShare);
            foreach (var segment in _ready.GetConsumingEnumerable(_stop.Token))
            {
                Read(reader, segment);
            }

            // CRIU is through.
            for (int i; (i = Interlocked.Increment(ref _nextCode) - 1) < _code.Count;)
            {
                Read(reader, _code[i]);
            }
        }
        catch (OperationCanceledException)
        {
            // Whoever stopped it knows.
        }
        catch (Exception error)
        {
            // The first failure ends the other threads' work too; it is the one that the caller sees.
            Interlocked.CompareExchange(ref _failure, ExceptionDispatchInfo.Capture(error), null);
            _stop.Cancel();
        }
    }

    private void Read(SegmentReader reader, PageSegment segment)
    {
        reader.Read(segment, _stop.Token);
        Interlocked.Add(ref _bytesRead, segment.Bytes);
    }
}
