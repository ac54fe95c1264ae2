using System.IO.Pipelines;
using Floe.Linux;
using Floe.Store;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Files;

/// <summary>
/// The file records of a snapshot, checked: a copy of files/list outside the managed heap, read through as often as needed.
/// Records come in path order, a directory before what is in it.
/// </summary>
public sealed class FileList : IDisposable
{
    private const int AheadBytes = 1 << 20;

    private readonly FileStream? _copy;

    private FileList(FileStream? copy) => _copy = copy;

    /// <summary>The list of a task that has not run yet: nothing differs from the start.</summary>
    internal static FileList Empty { get; } = new(null);

    public long RecordCount { get; private set; }

    /// <summary>Number and total length of the content streams.</summary>
    public IReadOnlyList<long> ContentStreamBytes { get; private set; } = [];

    /// <exception cref="FileStateException">The snapshot has no file list, or it contradicts itself.</exception>
    /// <exception cref="SnapshotDamagedException">Stored bytes do not verify.</exception>
    public static async Task<FileList> LoadAsync(ISnapshotSource source, CancellationToken cancellationToken)
    {
        var stream = source.TryGetStream(FileStreams.ListName)
            ?? throw new FileStateException("the snapshot has no file list: it is not complete") { IsDamage = true };
        var copy = CreateCopy();
        var list = new FileList(copy);
        try
        {
            await list.ReadAsync(source, stream, copy, cancellationToken).ConfigureAwait(false);
            return list;
        }
        catch
        {
            list.Dispose();
            throw;
        }
    }

    /// <summary>All records from the first on. Several enumerations may run at the same time.</summary>
    public IEnumerable<FileRecord> Records() => _copy is null ? [] : Records(new BufferedCopy(_copy.SafeFileHandle));

    public void Dispose() => _copy?.Dispose();

    private static IEnumerable<FileRecord> Records(Stream input)
    {
        using var reader = new RecordReader(input, "the snapshot's file list", isSnapshots: true);
        FileRecordCodec.ReadHeader(reader);
        for (long count = 0; FileRecordCodec.Read(reader, count) is { } record; count++)
        {
            yield return record;
        }
    }

    /// <summary>
    /// Copies and checks at once, so that what is no list is not taken to its end: an index of a few bytes may name any number of
    /// zeros, and any number of times the same block.
    /// </summary>
    private async Task ReadAsync(ISnapshotSource source, StoredStream stream, FileStream copy, CancellationToken cancellationToken)
    {
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: AheadBytes, resumeWriterThreshold: AheadBytes / 2, useSynchronizationContext: false));
        var checking = Task.Run(() => Check(source, Records(new CopyingInput(pipe.Reader.AsStream(), copy)), cancellationToken), CancellationToken.None);
        Exception? failure = null;
        try
        {
            await source.ReadStreamsAsync([stream], new PipeConsumer(pipe.Writer), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            failure = e;
        }

        // The check ends with what went wrong here, or has ended with what it found and stopped this.
        await pipe.Writer.CompleteAsync(failure).ConfigureAwait(false);
        await checking.ConfigureAwait(false);
        await copy.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The order of the records. A capture that breaks it must fail: nobody could read the list.</summary>
    internal static bool MayFollow(FileRecord record, FileRecord? previous)
    {
        var order = previous is null ? -1 : KernelPath.Compare(previous.Path, record.Path);
        return order < 0 || (order == 0 && previous!.Kind == FileRecordKind.Deleted);
    }

    /// <summary>Order, and that the contents fill the streams without gap or overlap.</summary>
    private void Check(ISnapshotSource source, IEnumerable<FileRecord> records, CancellationToken cancellationToken)
    {
        var streams = new List<long>();
        FileRecord? previous = null;
        foreach (var record in records)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!MayFollow(record, previous))
            {
                throw Contradiction($"{KernelPath.Display(record.Path)} is out of order");
            }

            if (record is { Kind: FileRecordKind.Regular, ByteCount: > 0 })
            {
                while (streams.Count <= record.ContentStream)
                {
                    streams.Add(0);
                }

                if (record.ContentOffset != streams[record.ContentStream] || record.ByteCount > long.MaxValue - record.ContentOffset)
                {
                    throw Contradiction($"the content of {KernelPath.Display(record.Path)} is out of place");
                }

                streams[record.ContentStream] += record.ByteCount;
            }

            previous = record;
            RecordCount++;
        }

        for (var i = 0; i < streams.Count; i++)
        {
            if (streams[i] > 0 && source.TryGetStream(FileStreams.ContentName(i))?.ByteCount != streams[i])
            {
                throw Contradiction($"the content stream {i} has not the length that the records say");
            }
        }

        ContentStreamBytes = streams;
    }

    private static FileStateException Contradiction(string what) => new($"the snapshot's file list is damaged: {what}") { IsDamage = true };

    private static unsafe FileStream CreateCopy()
    {
        // SAFETY: a zero-terminated literal. No name in any file system: nothing to clean up, nothing for a scan to find.
        fixed (byte* name = "floe-file-list\0"u8)
        {
            var descriptor = Interop.memfd_create(name, Interop.MFD_CLOEXEC);
            return descriptor >= 0
                ? new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite)
                : throw LinuxException.Last("memfd_create");
        }
    }

    /// <summary>Fails as soon as nobody reads any more.</summary>
    private sealed class PipeConsumer(PipeWriter pipe) : IStreamConsumer
    {
        private static readonly byte[] s_zeros = new byte[16 << 10];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => default;

        public async ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            if ((await pipe.WriteAsync(data, cancellationToken).ConfigureAwait(false)).IsCompleted)
            {
                throw new IOException("the file list's reader has stopped");
            }
        }

        public async ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            for (; byteCount > 0; byteCount -= s_zeros.Length)
            {
                await DataAsync(s_zeros.AsMemory(0, (int)Math.Min(byteCount, s_zeros.Length)), cancellationToken).ConfigureAwait(false);
            }
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => default;
    }

    /// <summary>Writes to the copy what is read.</summary>
    private sealed class CopyingInput(Stream input, FileStream copy) : ReadStream
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = input.Read(buffer, offset, count);
            copy.Write(buffer, offset, read);
            return read;
        }

        protected override void Dispose(bool disposing)
        {
            input.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>Reads the copy at a position of its own.</summary>
    private sealed class BufferedCopy(SafeFileHandle file) : ReadStream
    {
        private long _position;

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = RandomAccess.Read(file, buffer.AsSpan(offset, count), _position);
            _position += read;
            return read;
        }
    }

    private abstract class ReadStream : Stream
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
