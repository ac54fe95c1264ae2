using Floe.Criu.Images;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>Gives CRIU its images back out of a stored snapshot, every block verified on the way.</summary>
internal sealed class StoredImageSource : IImageSource
{
    /// <summary>Twice what a dump takes of it (64 MiB): the store's word for its length is no more than that.</summary>
    private const int MaxFilesBytes = 128 << 20;

    private readonly ISnapshotSource _snapshot;
    private readonly byte[]? _files;

    private StoredImageSource(ISnapshotSource snapshot, byte[]? files) => (_snapshot, _files) = (snapshot, files);

    /// <summary>The snapshot's images, with what this machine needs otherwise.</summary>
    /// <exception cref="InvalidDataException">Its table of files is none.</exception>
    public static async Task<StoredImageSource> OpenAsync(ISnapshotSource snapshot, CancellationToken cancellationToken)
    {
        var stored = await StoredBytes.ReadEitherAsync(snapshot, SnapshotNames.CriuImage(LostAddresses.ImageName), MaxFilesBytes, cancellationToken).ConfigureAwait(false);
        var mended = stored.Length == 0 ? stored : LostAddresses.Mend(stored);
        return new StoredImageSource(snapshot, ReferenceEquals(mended, stored) ? null : mended);
    }

    public bool TryGetSmall(string name, out ReadOnlyMemory<byte> content)
    {
        if (name == LostAddresses.ImageName && _files is not null)
        {
            content = _files;
            return true;
        }

        var image = _snapshot.TryGetSmallImage(SnapshotNames.CriuImage(name));
        content = image ?? default;
        return image is not null;
    }

    public bool Exists(string name) => TryGetSmall(name, out _) || _snapshot.TryGetStream(SnapshotNames.CriuImage(name)) is not null;

    public async Task WriteStreamAsync(string name, ImagePipe pipe, CancellationToken cancellationToken)
    {
        var stream = _snapshot.TryGetStream(SnapshotNames.CriuImage(name)) ?? throw new InvalidOperationException($"no image {name}");
        var consumer = new PipeConsumer(pipe);
        try
        {
            await _snapshot.ReadStreamsAsync([stream], consumer, cancellationToken).ConfigureAwait(false);
        }
        catch (ReaderGoneException)
        {
            // CRIU has what it wanted of this image.
        }
    }

    private sealed class ReaderGoneException : Exception;

    private sealed class PipeConsumer(ImagePipe pipe) : IStreamConsumer
    {
        public long Given { get; private set; }

        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public async ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            Given += await pipe.LendAsync(data, cancellationToken).ConfigureAwait(false) ? data.Length : throw new ReaderGoneException();
        }

        public ValueTask ReleasedAsync(long given, CancellationToken cancellationToken) => pipe.DrainAsync(Given - given, cancellationToken);

        public void Abandoned() => pipe.Abandon();

        public async ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            Given += await pipe.LendZerosAsync(byteCount, cancellationToken).ConfigureAwait(false) ? byteCount : throw new ReaderGoneException();
        }

        public ValueTask EndAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;
    }
}
