using System.Text;
using Floe.FileSystem.Moving;
using Floe.Fuse;
using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A task that is restored from a snapshot after which it ran on, wrote more, and was lost.</summary>
public sealed class LostLifeTests : CoreTests
{
    private const uint Append = Tree.WriteOnly | 0x400;

    [Theory]
    [InlineData(Append)]
    [InlineData(Tree.ReadOnly)]
    public async Task Open_AppendedToAfterTheSnapshot_IsAnError(uint flags)
    {
        await Tree.WriteAsync("log", "before\n");
        await Tree.DrainAsync();
        var state = await CaptureAsync(Tree);
        await AppendAsync(Tree, "log", "after\n");
        await Tree.DrainAsync();
        await using var again = await RestoreAsync(state);
        await FailsAsync(Errno.EIO, () => again.OpenAsync("log", flags));
        await FailsAsync(Errno.EIO, () => again.ChangeAsync("log", new FuseSetAttributes { Size = 7 }));
        Assert.Equal("before\nafter\n", Bucket.Text("log"));
    }

    [Fact]
    public async Task Open_MadeAfterTheSnapshot_CanBeMadeAnewAndIsTheTasksThen()
    {
        var state = await CaptureAsync(Tree);
        await Tree.WriteAsync("out", "lost");
        await Tree.DrainAsync();
        await using var again = await RestoreAsync(state);
        await again.WriteAsync("out", "anew");
        Assert.Equal("anew", await again.ReadAsync("out"));
        await again.DrainAsync();
        PassTime();
        Assert.Equal("anew", await again.ReadAsync("out"));
        Assert.Equal("anew", Bucket.Text("out"));
    }

    [Fact]
    public async Task Truncate_MadeAfterTheSnapshot_CanBeWrittenThen()
    {
        var state = await CaptureAsync(Tree);
        await Tree.WriteAsync("out", "lost");
        await Tree.DrainAsync();
        await using var again = await RestoreAsync(state);
        await again.ChangeAsync("out", new FuseSetAttributes { Size = 0 });
        await AppendAsync(again, "out", "anew");
        await again.DrainAsync();
        Assert.Equal("anew", Bucket.Text("out"));
    }

    [Fact]
    public async Task Open_WrittenBeforeTheSnapshotOrByOthers_IsAsItWas()
    {
        await Tree.WriteAsync("first", "one");
        await Tree.DrainAsync();
        await CaptureAsync(Tree);
        await Tree.WriteAsync("second", "two");
        await Tree.DrainAsync();
        var state = await CaptureAsync(Tree);
        Bucket.Put("theirs", "three");
        await using var again = await RestoreAsync(state);
        await AppendAsync(again, "second", "+");
        await again.DrainAsync();
        await using var oneMore = await RestoreAsync(await CaptureAsync(again));
        Assert.Equal("one two+ three", $"{await oneMore.ReadAsync("first")} {await oneMore.ReadAsync("second")} {await oneMore.ReadAsync("theirs")}");
    }

    [Fact]
    public async Task Open_EarlierSnapshotAfterALaterOne_KnowsWhatLiesBetween()
    {
        var first = await CaptureAsync(Tree);
        await Tree.WriteAsync("between", "one");
        await Tree.DrainAsync();
        await CaptureAsync(Tree);
        await using var again = await RestoreAsync(first);
        await FailsAsync(Errno.EIO, () => again.OpenAsync("between", Tree.ReadOnly));
    }

    [Fact]
    public void Parse_StateOfBeforeTheseMarks_HasNoLives() =>
        Assert.Empty(MountState.Parse("""{"version":1,"lineage":"00","root":"bucket/"}"""u8).Lives);

    private static async Task<byte[]> CaptureAsync(Tree tree)
    {
        var state = (await tree.Files.CaptureAsync(taskRunsOn: true, default)).State.ToBytes();
        tree.Files.Resume();
        return state;
    }

    private async Task<Tree> RestoreAsync(byte[] bytes)
    {
        var state = MountState.Parse(bytes);
        var tree = Another();
        tree.Files.Import(state);
        await tree.Files.AttachAsync(state, default);
        return tree;
    }

    private static async Task AppendAsync(Tree tree, string path, string text)
    {
        var size = (long)(await tree.StatAsync(path)).Size;
        var handle = await tree.OpenAsync(path, Append);
        await tree.Files.WriteAsync(handle, size, Encoding.UTF8.GetBytes(text), killsPrivileges: false, default);
        tree.Files.Release(handle);
    }
}
