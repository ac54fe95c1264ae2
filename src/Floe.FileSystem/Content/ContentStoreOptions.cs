namespace Floe.FileSystem.Content;

/// <summary>Limits of the local cache and of the transfers.</summary>
public sealed record ContentStoreOptions
{
    /// <summary>On the local disk, made if it is not there. Stores may share it: each has a folder of its own in it, and removes those of dead processes.</summary>
    public required string CacheFolder { get; init; }

    /// <summary>Bytes on the local disk at most; null: four fifths of what is free when the store is opened.</summary>
    public long? MaxCacheBytes { get; init; }

    /// <summary>Files of the cache that are open at the same time while nobody reads or writes them; null: half of what the process may have open, 1,024 at most.</summary>
    public int? MaxOpenLocalFiles { get; init; }

    /// <summary>Ranged GETs at the same time.</summary>
    public int MaxDownloads { get; init; } = 16;

    /// <summary>PUTs and parts at the same time.</summary>
    public int MaxUploads { get; init; } = 16;

    /// <summary>How far a sequential reader is read ahead at most.</summary>
    public long MaxReadAheadBytes { get; init; } = 128 << 20;

    /// <summary>Memory for what was read ahead and is not on the local disk yet, in bytes; pieces of 8 MiB.</summary>
    public long MaxStreamBytes { get; init; } = 80 << 20;

    /// <summary>Memory for parts that are put together there while the cache is full, in bytes; a larger part waits for space.</summary>
    public long MaxPartMemoryBytes { get; init; } = 32 << 20;

    /// <summary>Of a file up to so many bytes that the kernel reads itself what was written through mappings is told by hashes of its blocks, taken when it is opened for that.</summary>
    public long MaxHashedFileBytes { get; init; } = 1L << 30;

    /// <summary>Bytes of a part that is copied within the service.</summary>
    public long CopyPartBytes { get; init; } = 512L << 20;

    /// <summary>How long a writer waits at most for files to be closed, when the cache is full of what cannot go up before that.</summary>
    public TimeSpan ClosePatience { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The same when what is to make room failed to go up, in a way that may pass; it is tried again meanwhile.</summary>
    public TimeSpan RetryPatience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often a file's whole upload is tried, above the retries of single requests.</summary>
    public int MaxUploadTries { get; init; } = 3;
}
