using Floe.Criu.Streaming;
using Floe.Store;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Snapshots;

/// <summary>Gives CRIU its images back out of a stored snapshot, every block verified on the way.</summary>
internal sealed class StoredImageSource(ISnapshotSource snapshot) : IImageSource
{
    public bool TryGetSmall(string name, out ReadOnlyMemory<byte> content)
    {
        var image = snapshot.TryGetSmallImage(SnapshotNames.CriuImage(name));
        content = image ?? default;
        return image is not null;
    }

    public bool Exists(string name) => TryGetSmall(name, out _) || snapshot.TryGetStream(SnapshotNames.CriuImage(name)) is not null;

    public async Task WriteStreamAsync(string name, SafeFileHandle pipe, CancellationToken cancellationToken)
    {
        var stream = snapshot.TryGetStream(SnapshotNames.CriuImage(name)) ?? throw new InvalidOperationException($"no image {name}");
        var consumer = new PipeConsumer(pipe);
        try
        {
            await snapshot.ReadStreamsAsync([stream], consumer, cancellationToken).ConfigureAwait(false);
        }
        catch (ReaderGoneException)
        {
            // CRIU has what it wanted of this image.
        }
    }

    private sealed class ReaderGoneException : Exception;

    private sealed class PipeConsumer(SafeFileHandle pipe) : IStreamConsumer
    {
        private static readonly byte[] s_zeros = new byte[64 * 1024];

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            if (!await ImagePipe.WriteAsync(pipe, data, cancellationToken).ConfigureAwait(false))
            {
                throw new ReaderGoneException();
            }
        }

        public async ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            while (byteCount > 0)
            {
                var part = (int)Math.Min(byteCount, s_zeros.Length);
                await DataAsync(s_zeros.AsMemory(0, part), cancellationToken).ConfigureAwait(false);
                byteCount -= part;
            }
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
