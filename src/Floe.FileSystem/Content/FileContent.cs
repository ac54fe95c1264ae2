using Floe.S3.Buckets;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Content;

/// <summary>
/// The bytes of one file of the mount, shared by all who have it open: an object of the bucket, pinned to one version, with what was written over it.
/// Offsets and sizes in bytes. Safe for concurrent use; a read that meets a write sees either. Every failure is a <see cref="ContentException"/>.
/// </summary>
public sealed class FileContent
{
    private FileContent()
    {
    }

    public long Size => throw new NotImplementedException();

    /// <summary>The version in the bucket that this content rests on; null while there is none. What reads cannot mix with another.</summary>
    public ObjectVersion? Version => throw new NotImplementedException();

    /// <summary>Where the content goes; null once unlinked.</summary>
    public ContentTarget? Target => throw new NotImplementedException();

    /// <summary>Whether there is something that the bucket's object does not have: bytes, a length, or the object itself.</summary>
    public bool IsDirty => throw new NotImplementedException();

    /// <summary>Bytes held on the local disk.</summary>
    public long CachedBytes => throw new NotImplementedException();

    /// <summary>Raised on any thread when the bucket has the content; <see cref="Version"/> is the new one.</summary>
    public event Action<FileContent>? Published
    {
        add => throw new NotImplementedException();
        remove => throw new NotImplementedException();
    }

    /// <summary>Counts an open handle. While a writer is open nothing is published unless <see cref="SyncAsync"/> is called.</summary>
    public void Open(bool canRead, bool canWrite) => throw new NotImplementedException();

    /// <summary>The end of a handle. With the last writer the upload is finished in the background.</summary>
    public void Close(bool canRead, bool canWrite) => throw new NotImplementedException();

    /// <summary>Fills the destination up to the end of the file. Completes at once where the bytes are local.</summary>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>Writes all of the source, growing the file where it must. Waits while the cache is full and something can go up.</summary>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> source, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>O_APPEND: writes at the end as it is at that moment, whoever else appends; gives the offset.</summary>
    public ValueTask<long> AppendAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken) => throw new NotImplementedException();

    public ValueTask TruncateAsync(long size, CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The first byte at or after the offset that is data (SEEK_DATA) or a hole (SEEK_HOLE); null: none.</summary>
    public long? Seek(long offset, bool data) => throw new NotImplementedException();

    /// <summary>fsync: returns when the content as it is now is an object of the bucket. A failed upload shows here.</summary>
    public Task SyncAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>The metadata changed: publish again though no byte did (only where something is to be published anyway, or when asked).</summary>
    public void TouchHeaders() => throw new NotImplementedException();

    /// <summary>
    /// Rename: what is not in the bucket yet goes to the new key, replacing what <paramref name="replaced"/> names (null: nothing may be there).
    /// An object that is in the bucket already is the caller's to copy; then <paramref name="version"/> is the copy.
    /// </summary>
    public Task RetargetAsync(ContentTarget target, ObjectVersion? replaced, ObjectVersion? version, CancellationToken cancellationToken) =>
        throw new NotImplementedException();

    /// <summary>Before the object is deleted while the file is open: all bytes become local, no upload goes on, reads keep working.</summary>
    public Task DetachAsync(CancellationToken cancellationToken) => throw new NotImplementedException();

    /// <summary>For FUSE_PASSTHROUGH: the local file, if every byte is there; it stays whole until <see cref="UnpinLocalFile"/>.</summary>
    public SafeFileHandle? TryPinLocalFile() => throw new NotImplementedException();

    public void UnpinLocalFile() => throw new NotImplementedException();

    /// <summary>The inode is forgotten. An upload under way is finished all the same; clean bytes stay cached for the next opening of this version.</summary>
    public void Forget() => throw new NotImplementedException();
}
