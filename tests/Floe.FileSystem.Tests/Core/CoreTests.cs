using Floe.FileSystem.Moving;
using Floe.FileSystem.Tests.Doubles;
using Floe.Linux;
using Floe.Testing.Time;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A bucket in memory, a clock that stands still, and the tree over them.</summary>
public abstract class CoreTests : IAsyncLifetime
{
    protected const uint Folder = Interop.S_IFDIR;
    protected const uint File = Interop.S_IFREG;
    protected const uint Link = Interop.S_IFLNK;

    internal MemoryBuckets Service { get; } = new(Tree.Bucket, "other");

    internal MemoryBucket Bucket => Service[Tree.Bucket];

    internal FakeTimeProvider Time { get; } = new();

    internal Tree Tree { get; private set; } = null!;

    /// <summary>What the tests of a class mount.</summary>
    protected virtual FileSystemOptions Options => new() { Root = new BucketFolder(Tree.Bucket, "") };

    public ValueTask InitializeAsync()
    {
        Tree = new Tree(Service, Options, Time);
        return default;
    }

    public async ValueTask DisposeAsync()
    {
        await Tree.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Another mount of the same bucket.</summary>
    internal Tree Another() => new(Service, Options, Time);

    /// <summary>The mount that goes on with the state of <see cref="Tree"/>, which is another machine's from then on.</summary>
    internal Task<Tree> MovedAsync(Action? whenCaptured = null) => MovedAsync(Tree, whenCaptured);

    internal async Task<Tree> MovedAsync(Tree from, Action? whenCaptured = null)
    {
        var captured = await from.Files.CaptureAsync(taskRunsOn: false, default);
        whenCaptured?.Invoke();
        from.Contents.HandOver();
        var next = Another();
        var state = MountState.Parse(captured.State.ToBytes());
        var carried = next.Files.Import(state);
        List<byte> bytes = [];
        captured.Read(piece => bytes.AddRange(piece), default);
        carried.Add(bytes.ToArray());
        Assert.True(carried.IsComplete);
        await next.Files.AttachAsync(state, default);
        return next;
    }

    /// <summary>Past everything that is believed of the bucket.</summary>
    protected void PassTime() => Time.Advance(TimeSpan.FromSeconds(11));

    protected static async Task FailsAsync(int errno, Func<Task> action)
    {
        var error = await Assert.ThrowsAnyAsync<Exception>(action);
        Assert.Equal(errno, StoreErrno.Of(error));
    }
}
