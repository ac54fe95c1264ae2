using Floe.Store;

namespace Floe.Agent.Files;

/// <summary>Takes the contents of files one after the other, as <see cref="FileContents.ReadAsync"/> hands them out.</summary>
public interface IFileContentConsumer
{
    /// <param name="index">Position of the record in the list, from 0.</param>
    void Begin(FileRecord record, long index);

    /// <summary>The span is borrowed for the call.</summary>
    void Data(ReadOnlySpan<byte> data);

    void Zeros(long byteCount);

    void End();
}

/// <summary>Cuts content streams into the files that lie in them.</summary>
public static class FileContents
{
    /// <summary>Hands out every non-empty regular file of one content stream, in list order. Streams may be read at the same time, with a consumer each.</summary>
    /// <exception cref="SnapshotDamagedException">Stored bytes do not verify.</exception>
    public static async Task ReadAsync(
        FileList list, ISnapshotSource source, int contentStream, IFileContentConsumer consumer, CancellationToken cancellationToken)
    {
        var stream = source.TryGetStream(FileStreams.ContentName(contentStream))
            ?? throw new FileStateException($"the snapshot has no content stream {contentStream}: it is not complete") { IsDamage = true };
        using var files = list.Records().Select(static (record, index) => (record, (long)index))
            .Where(file => file.record is { Kind: FileRecordKind.Regular, ByteCount: > 0 } && file.record.ContentStream == contentStream)
            .GetEnumerator();
        var cutter = new Cutter(files, consumer);
        await source.ReadStreamsAsync([stream], cutter, cancellationToken).ConfigureAwait(false);
        cutter.Finish();
    }

    private sealed class Cutter(IEnumerator<(FileRecord Record, long Index)> files, IFileContentConsumer consumer) : IStreamConsumer
    {
        private long _left;

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => default;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            while (!data.IsEmpty)
            {
                var part = (int)Math.Min(data.Length, Current());
                consumer.Data(data.Span[..part]);
                Advance(part);
                data = data[part..];
            }

            return default;
        }

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            while (byteCount > 0)
            {
                var part = Math.Min(byteCount, Current());
                consumer.Zeros(part);
                Advance(part);
                byteCount -= part;
            }

            return default;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => default;

        public void Finish()
        {
            if (_left > 0 || files.MoveNext())
            {
                throw new FileStateException("a content stream of the snapshot is shorter than its files") { IsDamage = true };
            }
        }

        /// <returns>How much of the current file is still to come; begins the next one when that is nothing.</returns>
        private long Current()
        {
            if (_left == 0)
            {
                if (!files.MoveNext())
                {
                    throw new FileStateException("a content stream of the snapshot is longer than its files") { IsDamage = true };
                }

                consumer.Begin(files.Current.Record, files.Current.Index);
                _left = files.Current.Record.ByteCount;
            }

            return _left;
        }

        private void Advance(long byteCount)
        {
            _left -= byteCount;
            if (_left == 0)
            {
                consumer.End();
            }
        }
    }
}
