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
            await source.ReadStreamsAsync([stream], new CopyingConsumer(copy), cancellationToken).ConfigureAwait(false);
            await copy.FlushAsync(cancellationToken).ConfigureAwait(false);
            list.Check(source, cancellationToken);
            return list;
        }
        catch
        {
            list.Dispose();
            throw;
        }
    }

    /// <summary>All records from the first on. Several enumerations may run at the same time.</summary>
    public IEnumerable<FileRecord> Records()
    {
        if (_copy is null)
        {
            yield break;
        }

        using var reader = new RecordReader(new BufferedCopy(_copy.SafeFileHandle), "the snapshot's file list");
        FileRecordCodec.ReadHeader(reader);
        for (long count = 0; FileRecordCodec.Read(reader, count) is { } record; count++)
        {
            yield return record;
        }
    }

    public void Dispose() => _copy?.Dispose();

    /// <summary>Order, and that the contents fill the streams without gap or overlap.</summary>
    private void Check(ISnapshotSource source, CancellationToken cancellationToken)
    {
        var streams = new List<long>();
        FileRecord? previous = null;
        foreach (var record in Records())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var order = previous is null ? -1 : KernelPath.Compare(previous.Path, record.Path);
            if (order > 0 || (order == 0 && previous!.Kind != FileRecordKind.Deleted))
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

    private sealed class CopyingConsumer(FileStream copy) : IStreamConsumer
    {
        private static readonly byte[] s_zeros = new byte[4096];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => default;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => copy.WriteAsync(data, cancellationToken);

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            for (; byteCount > 0; byteCount -= s_zeros.Length)
            {
                copy.Write(s_zeros, 0, (int)Math.Min(byteCount, s_zeros.Length));
            }

            return default;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => default;
    }

    /// <summary>Reads the copy at a position of its own.</summary>
    private sealed class BufferedCopy(SafeFileHandle file) : Stream
    {
        private long _position;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            var read = RandomAccess.Read(file, buffer.AsSpan(offset, count), _position);
            _position += read;
            return read;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
