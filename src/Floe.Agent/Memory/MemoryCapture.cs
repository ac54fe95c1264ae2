using Floe.Criu.Images;
using Floe.Store;

namespace Floe.Agent.Memory;

/// <summary>
/// Reads the memory of a frozen task into a snapshot, by address, on several threads.
///
/// CRIU has said which pages count (its pagemaps) and has thrown its own copy of them away; the stream written here under the
/// name of CRIU's page image holds the same bytes in the same order. Each thread takes the next segment of the next process,
/// reads it in pieces that stay in the processor's cache, cuts the pieces on the block grid and hands the blocks to its sink,
/// which hashes, looks up, compresses and uploads. A sink blocks when the uploads fall behind: nothing else bounds memory here,
/// and nothing else needs to.
/// </summary>
internal static class MemoryCapture
{
    private const int SegmentBytes = 8 * 1024 * 1024;
    // What is read is hashed at once: small enough to be still in the processor's second-level cache.
    private const int ReadBytes = BlockFormat.MaxReservedBytes;

    /// <param name="processes">What CRIU says of each process: its present pages and the image that holds them.</param>
    /// <param name="threads">How many threads read and hash at the same time.</param>
    /// <exception cref="Floe.Linux.LinuxException">A page could not be read: the snapshot must not be committed.</exception>
    public static async Task RunAsync(
        ISnapshotContent content, IReadOnlyList<Pagemap> processes, int threads, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var segments = new SegmentQueue(content, processes, SegmentBytes);
        var workers = new Task[threads];
        for (var i = 0; i < threads; i++)
        {
            workers[i] = Task.Factory.StartNew(
                () => Work(content, segments, stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        await Task.WhenAll(workers).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private static void Work(ISnapshotContent content, SegmentQueue segments, CancellationTokenSource stop)
    {
        ProcessMemory? memory = null;
        var memoryPid = 0;
        try
        {
            using var sink = content.CreateSink();
            var pieces = new List<PagePiece>();
            while (!stop.IsCancellationRequested && segments.TryTake() is { } segment)
            {
                if (memory is null || memoryPid != segment.Pid)
                {
                    memory?.Dispose();
                    memory = new ProcessMemory(segment.Pid);
                    memoryPid = segment.Pid;
                }

                sink.BeginSegment(segment.Stream, segment.Ordinal);
                var cursor = segment.Start;
                var left = segment.Bytes;
                while (left > 0 && !stop.IsCancellationRequested)
                {
                    pieces.Clear();
                    var bytes = cursor.Take(pieces, Math.Min(left, ReadBytes));
                    var span = sink.Reserve(bytes);
                    memory.Read(pieces, span);
                    AppendBlocks(sink, pieces, span);
                    left -= bytes;
                }

                sink.EndSegment();
            }
        }
        catch
        {
            // The first failure ends the other threads' work too; it is the one that the caller sees.
            stop.Cancel();
            throw;
        }
        finally
        {
            memory?.Dispose();
        }
    }

    private static void AppendBlocks(IBlockSink sink, List<PagePiece> pieces, ReadOnlySpan<byte> bytes)
    {
        var offset = 0;
        for (var i = 0; i < pieces.Count;)
        {
            var length = pieces[i].Bytes;
            var window = pieces[i].Window;
            for (i++; i < pieces.Count && pieces[i].Window == window; i++)
            {
                length += pieces[i].Bytes;
            }

            sink.Append(bytes.Slice(offset, length));
            offset += length;
        }
    }
}
