using Floe.FileSystem.Metadata;

namespace Floe.FileSystem;

/// <summary>A folder of a bucket: <paramref name="Prefix"/> is empty or ends in '/'.</summary>
public sealed record BucketFolder(string Bucket, string Prefix)
{
    public override string ToString() => $"s3://{Bucket}/{Prefix}";
}

/// <summary>What a mount shows, and how.</summary>
public sealed record FileSystemOptions
{
    /// <summary>The folder that is the mount's root. Null: the root holds <c>s3</c>, and below it every bucket is a folder.</summary>
    public BucketFolder? Root { get; init; }

    /// <summary>How long what the bucket said about a file, or that there is none, is believed.</summary>
    public TimeSpan FileTtl { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The same for a folder being there.</summary>
    public TimeSpan FolderTtl { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Owner of what carries none.</summary>
    public uint Uid { get; init; }

    public uint Gid { get; init; }

    /// <summary>A name that, with all below it, belongs to root and that nobody makes, renames or removes through the mount; null: none.</summary>
    public string? RootOnlyName { get; init; }

    /// <summary>Taken off 0777 for what carries no permissions; executable, since a script in a bucket has no other way to be one.</summary>
    public uint UMask { get; init; } = 0x12; // 022

    public TagRules Tags { get; init; } = TagRules.None;

    /// <summary>Keys in one page of a listing.</summary>
    public int PageEntries { get; init; } = 1000;

    /// <summary>Beyond so many known names a listing is answered by names alone, and makes no more of them known. Each that somebody looks up is known all the same.</summary>
    public int MaxListedNodes { get; init; } = 20_000;

    /// <summary>Beyond so many known names, files and folders together, the kernel is asked to forget those that nobody holds.</summary>
    public int MaxKnownNames { get; init; } = 30_000;

    /// <summary>Names in the listings that are kept in memory for a moment, of all folders together; one listing is kept however long it is.</summary>
    public int MaxListedNames { get; init; } = 20_000;

    /// <summary>Names that the bucket does not have and that are remembered for <see cref="FileTtl"/>, of all folders together.</summary>
    public int MaxMissedNames { get; init; } = 20_000;

    /// <summary>
    /// Up to here an object is copied by one request, above in parts of <see cref="CopyPartBytes"/>. Services take more, up to 5 GiB, but answer when
    /// all is copied: before that the request would be given up, and tried again.
    /// </summary>
    public long MaxSingleCopyBytes { get; init; } = 512L << 20;

    public long CopyPartBytes { get; init; } = 512L << 20;

    /// <summary>S3 copies no more in one request.</summary>
    public long MaxCopyBytes { get; init; } = 5L << 30;

    /// <summary>Copies and deletions at the same time when a folder is renamed.</summary>
    public int MaxParallelCopies { get; init; } = 16;
}
