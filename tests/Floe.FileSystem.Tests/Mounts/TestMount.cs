using Floe.FileSystem.Content;
using Floe.FileSystem.Serving;
using Floe.FileSystem.Tests.Core;
using Floe.Fuse;
using Floe.S3.Buckets;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>
/// A real mount served by this process. Paths below it must be used from threads of their own (<see cref="Model.LocalTree.Apart"/>) or from other
/// processes, and never mapped here: a page fault that waits for this process would stand in the way of its garbage collector.
/// </summary>
internal sealed class TestMount : IAsyncDisposable
{
    private readonly FileSystemMount _mount;

    private TestMount(FileSystemMount mount) => _mount = mount;

    public string Path => _mount.Directory;

    public FileSystemMount Mount => _mount;

    public string this[string name] => System.IO.Path.Combine(Path, name);

    public static TestMount Start(
        ScratchFolder scratch, IBucketService buckets, FileSystemOptions? options = null, long maxCacheBytes = 1 << 30, FuseServerOptions? fuse = null, string cache = "cache",
        int? maxOpenLocalFiles = null, long? maxHashedFileBytes = null,
        string? directory = null) => new(FileSystemMount.Start(
        directory ?? scratch.Folder("mount"), buckets, options ?? new FileSystemOptions { Root = new BucketFolder(Tree.Bucket, "") },
        new ContentStoreOptions { CacheFolder = scratch[cache], MaxCacheBytes = maxCacheBytes, MaxOpenLocalFiles = maxOpenLocalFiles, MaxHashedFileBytes = maxHashedFileBytes ?? 1 << 30 },
        NullLoggerFactory.Instance, TimeProvider.System, fuse));

    /// <summary>Unmounts with everything in the bucket.</summary>
    public async Task UnmountAsync()
    {
        Xunit.Assert.Empty(await _mount.UnmountAsync(CancellationToken.None));
        await _mount.DisposeAsync();
    }

    public ValueTask DisposeAsync() => _mount.DisposeAsync();
}
