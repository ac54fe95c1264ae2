using Floe.Agent.Files;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>Bytes of any length that are one piece in memory, as a stream of a snapshot.</summary>
internal static class StoredBytes
{
    public static void Write(ISnapshotContent content, string name, ReadOnlySpan<byte> bytes)
    {
        using var sink = content.CreateSink();
        using var stream = new SinkStream(sink, content.AddStream(name));
        stream.Write(bytes);
        stream.Complete();
    }

    /// <summary>As a small image where it is one, else as a stream.</summary>
    public static void WriteEither(ISnapshotContent content, string name, byte[] bytes)
    {
        if (bytes.Length <= ImageStreamLimits.MaxSmallImageBytes)
        {
            content.AddSmallImage(name, bytes);
        }
        else
        {
            Write(content, name, bytes);
        }
    }

    /// <summary>The caller has judged the stream's length, which comes from the store.</summary>
    public static async Task<byte[]> ReadAsync(ISnapshotSource snapshot, StoredStream stream, CancellationToken cancellationToken)
    {
        var bytes = new Collector((int)stream.ByteCount);
        await snapshot.ReadStreamsAsync([stream], bytes, cancellationToken).ConfigureAwait(false);
        return bytes.Bytes;
    }

    /// <summary>What <see cref="WriteEither"/> wrote; empty when there is nothing of this name.</summary>
    /// <exception cref="InvalidDataException">It is said to be longer than <paramref name="maxBytes"/>.</exception>
    public static async Task<byte[]> ReadEitherAsync(ISnapshotSource snapshot, string name, int maxBytes, CancellationToken cancellationToken)
    {
        if (snapshot.TryGetStream(name) is not { } stream)
        {
            return snapshot.TryGetSmallImage(name)?.ToArray() ?? [];
        }

        return stream.ByteCount <= maxBytes
            ? await ReadAsync(snapshot, stream, cancellationToken).ConfigureAwait(false)
            : throw new InvalidDataException($"the snapshot's {name} of {stream.ByteCount} bytes is larger than any this Floe writes");
    }

    private sealed class Collector(int byteCount) : IStreamConsumer
    {
        private int _used;

        public byte[] Bytes { get; } = new byte[byteCount];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            data.CopyTo(Bytes.AsMemory(_used));
            _used += data.Length;
            return ValueTask.CompletedTask;
        }

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            _used += (int)byteCount;
            return ValueTask.CompletedTask;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
