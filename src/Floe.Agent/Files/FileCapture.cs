using System.Collections.Concurrent;
using System.Threading.Channels;
using Floe.Store;

namespace Floe.Agent.Files;

/// <summary>
/// Captures what differs from the baseline while the task is frozen: one thread walks the scope against the baseline and
/// writes files/list, several read the contents of changed files into files/content/N.
/// </summary>
public static class FileCapture
{
    private const int MaxNamedFiles = 10;
    private const int ReadBufferBytes = 16 * BlockFormat.MaxBlockBytes;

    /// <exception cref="FileStateException">Something in scope cannot be read; the snapshot must not be committed.</exception>
    public static Task<FileCaptureResult> RunAsync(
        FileScope scope, FileBaseline baseline, ISnapshotContent content, CancellationToken cancellationToken) =>
        RunAsync(scope, baseline, content, new FileCaptureOptions(), cancellationToken);

    /// <inheritdoc cref="RunAsync(FileScope, FileBaseline, ISnapshotContent, CancellationToken)"/>
    public static async Task<FileCaptureResult> RunAsync(
        FileScope scope, FileBaseline baseline, ISnapshotContent content, FileCaptureOptions options, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(options.ContentStreamCount is > 0 and <= FileStreams.MaxContentStreams, true);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var segments = Channel.CreateBounded<ContentSegment>(new BoundedChannelOptions(options.ReaderCount) { SingleWriter = true });
        var changedWhileRead = new ConcurrentDictionary<string, bool>();

        var readers = Enumerable.Range(0, options.ReaderCount).Select(_ => Task.Run(
            () => StopOthersOnFailureAsync(() => ReadSegmentsAsync(segments.Reader, content, options.Progress, changedWhileRead, stop.Token), stop), CancellationToken.None)).ToArray();
        FileCaptureResult? result = null;
        var scan = Task.Run(
            () => StopOthersOnFailureAsync(
                () =>
                {
                    try
                    {
                        result = Scan(scope, baseline, content, options, segments.Writer, stop.Token);
                    }
                    finally
                    {
                        segments.Writer.Complete();
                    }

                    return Task.CompletedTask;
                },
                stop),
            CancellationToken.None);

        try
        {
            await Completion.OfAllAsync([scan, .. readers], cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            while (segments.Reader.TryRead(out var abandoned))
            {
                abandoned.Dispose();
            }
        }

        return result! with { ChangedWhileRead = [.. changedWhileRead.Keys.Order(StringComparer.Ordinal)] };
    }

    private static FileCaptureResult Scan(
        FileScope scope, FileBaseline baseline, ISnapshotContent content, FileCaptureOptions options, ChannelWriter<ContentSegment> segments, CancellationToken cancellationToken)
    {
        // One segment with each reader, as many in their queue, and one that is being filled.
        var maxFiles = Math.Clamp(options.MaxOpenFiles / ((2 * options.ReaderCount) + 1), 1, ContentSegment.MostFiles);
        using var scheduler = new ContentScheduler(content, options.ContentStreamCount, maxFiles, segments, cancellationToken);
        using var sink = content.CreateSink();
        using var list = new SinkStream(sink, content.AddStream(FileStreams.ListName));
        using var writer = new RecordWriter(list);
        var tree = scope.Resolve();
        var held = HeldFiles.Of(options.Processes, tree);
        var builder = new RecordBuilder(tree, scheduler, held, options.Written, options.Progress);
        using var scan = new ChangeScan(tree, baseline, builder, writer, options.Progress);
        FileRecordCodec.WriteHeader(writer);
        scan.Run(cancellationToken);
        scheduler.Complete();
        FileRecordCodec.WriteEnd(writer, scan.RecordCount);
        writer.Flush();
        list.Complete();
        return new FileCaptureResult(options.Progress.EntriesScanned, scan.RecordCount, scan.DeletedCount, options.Progress.BytesFound, []) { HeldOutside = held.Outside };
    }

    private static async Task ReadSegmentsAsync(
        ChannelReader<ContentSegment> segments, ISnapshotContent content, FileCaptureProgress progress, ConcurrentDictionary<string, bool> changedWhileRead, CancellationToken cancellationToken)
    {
        using var sink = content.CreateSink();
        var buffer = new byte[ReadBufferBytes];
        await foreach (var segment in segments.ReadAllAsync(cancellationToken).ConfigureAwait(false))
        {
            using (segment)
            {
                segment.Read(sink, buffer, progress, NoteChanged, cancellationToken);
            }
        }

        void NoteChanged(byte[] path)
        {
            if (changedWhileRead.Count < MaxNamedFiles)
            {
                changedWhileRead.TryAdd(KernelPath.Display(path), true);
            }
        }
    }

    private static async Task StopOthersOnFailureAsync(Func<Task> work, CancellationTokenSource stop)
    {
        try
        {
            await work().ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }
}
