using Floe.FileSystem.Content;

namespace Floe.FileSystem.Operations;

/// <summary>
/// A file of the mount that this very process appends to, past the kernel: <see cref="ObjectFileSystem.OpenAppenderAsync"/>. The file is open as
/// long as this object is: it becomes an object when it is disposed of and nobody else writes it, and its state goes into every snapshot. While
/// one is taken, appends wait. On the machine that goes on, the path is opened again and continues at the snapshot's length.
/// </summary>
public sealed class FileAppender : IAsyncDisposable
{
    private readonly ObjectFileSystem _files;
    private readonly ulong _handle;
    private int _isClosed;

    internal FileAppender(ObjectFileSystem files, ulong handle, string path) => (_files, _handle, Path) = (files, handle, path);

    /// <summary>Below the mount's root.</summary>
    public string Path { get; }

    /// <summary>Appends all of the bytes, or nothing. Others who read the file through the kernel see them within a second.</summary>
    /// <exception cref="ContentException">The local disk or the cache is full, or fails.</exception>
    /// <exception cref="ObjectDisposedException">The task is another machine's (<see cref="ContentStore.HandOver"/>), or this is closed.</exception>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isClosed != 0, this);
        await _files.AppendAsync(_handle, bytes, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Closes the file; its upload goes on in the background.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isClosed, 1) == 0)
        {
            _files.Release(_handle);
        }

        return ValueTask.CompletedTask;
    }
}
