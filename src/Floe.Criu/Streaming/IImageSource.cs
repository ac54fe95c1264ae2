namespace Floe.Criu.Streaming;

/// <summary>Where a restore's images come from. Called from several threads at once; CRIU may ask for a name more than once.</summary>
public interface IImageSource
{
    /// <summary>An image that is whole in memory.</summary>
    bool TryGetSmall(string name, out ReadOnlyMemory<byte> content);

    /// <summary>Whether an image of this name exists, small or stream. Most names that CRIU asks for do not; that is normal.</summary>
    bool Exists(string name);

    /// <summary>
    /// Gives the stream's bytes to the pipe, in order and all of them; when the pipe says that CRIU wants no more, the method
    /// returns. All that was lent must be drained by then. The pipe is borrowed; the caller closes it. An exception (damage,
    /// a lost store) aborts the restore and is what <see cref="Restore.CriuRestore"/> throws.
    /// </summary>
    Task WriteStreamAsync(string name, ImagePipe pipe, CancellationToken cancellationToken);
}
