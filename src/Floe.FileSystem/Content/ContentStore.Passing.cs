namespace Floe.FileSystem.Content;

/// <summary>Files that the kernel reads from the cache by itself (FUSE passthrough): their share of it, and looking for what was written through mappings.</summary>
public sealed partial class ContentStore
{
    private const int MaxHashedFiles = 4;

    private long _pinnedBytes;
    private long _hashedBytes;

    /// <summary>Bytes of files that the kernel reads itself.</summary>
    internal long PinnedBytes => Interlocked.Read(ref _pinnedBytes);

    /// <summary>
    /// Whether so many bytes more may be pinned: half of the cache is left for what comes and goes. Where all of them may have to be read while a task is
    /// frozen, to tell what was written through mappings, there is not time for more than a few of the largest.
    /// </summary>
    internal bool TryPin(long bytes)
    {
        var most = LocalFiles.TellsMappedWrites ? Space.MaxBytes / 2 : Math.Min(Space.MaxBytes / 2, MaxHashedFiles * Options.MaxHashedFileBytes);
        if (Interlocked.Add(ref _pinnedBytes, bytes) <= most)
        {
            return true;
        }

        Unpin(bytes);
        return false;
    }

    internal void Unpin(long bytes) => Interlocked.Add(ref _pinnedBytes, -bytes);

    /// <summary>Bytes of local files that were read in search of changes.</summary>
    internal long HashedBytes => Interlocked.Read(ref _hashedBytes);

    /// <summary>Called before each piece of a local file that is read so, by the thread that reads it.</summary>
    internal Action? Hashing { get; set; }

    internal void NoteHashed(long bytes)
    {
        Hashing?.Invoke();
        Interlocked.Add(ref _hashedBytes, bytes);
    }
}
