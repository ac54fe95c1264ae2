using System.Text;
using Floe.FileSystem.Operations;
using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Files that the serving process appends to itself, and their way through a snapshot.</summary>
public sealed class AppenderTests : CoreTests
{
    private const uint Mode = 0x1A4;

    [Fact]
    public async Task Append_ClosedAndDrained_IsTheObject()
    {
        await Tree.MakeFolderAsync("work");
        var log = await Tree.Files.OpenAppenderAsync("work/log", Mode, default);
        await AppendAsync(log, "one\n");
        await AppendAsync(log, "two\n");
        Assert.Equal("one\ntwo\n", await Tree.ReadAsync("work/log"));
        Assert.DoesNotContain("work/log", Bucket.Keys);
        await log.DisposeAsync();
        await Tree.DrainAsync();
        Assert.Equal("one\ntwo\n", Bucket.Text("work/log"));
    }

    [Fact]
    public async Task Append_FileThatIsThere_GoesOnAtItsEnd()
    {
        Bucket.Put("log", "old\n");
        await using (var log = await Tree.Files.OpenAppenderAsync("log", Mode, default))
        {
            await AppendAsync(log, "new\n");
        }

        await Tree.DrainAsync();
        Assert.Equal("old\nnew\n", Bucket.Text("log"));
    }

    [Fact]
    public async Task Open_NoSuchFolder_IsAnError() =>
        await FailsAsync(Errno.ENOENT, () => Tree.Files.OpenAppenderAsync("nowhere/log", Mode, default));

    [Fact]
    public async Task Open_FolderOfThatName_IsAnError()
    {
        await Tree.MakeFolderAsync("log");
        await FailsAsync(Errno.EISDIR, () => Tree.Files.OpenAppenderAsync("log", Mode, default));
    }

    [Fact]
    public async Task Append_WhileASnapshotIsTaken_WaitsAndIsNotInIt()
    {
        await using var log = await Tree.Files.OpenAppenderAsync("log", Mode, default);
        await AppendAsync(log, "in it\n");
        var captured = await Tree.Files.CaptureAsync(taskRunsOn: true, default);
        var later = AppendAsync(log, "after it\n");
        Assert.False(later.IsCompleted);
        Assert.Equal("in it\n".Length, captured.ByteCount);
        Tree.Files.Resume();
        await later;
        Assert.Equal("in it\nafter it\n", await Tree.ReadAsync("log"));
    }

    [Fact]
    public async Task Append_MountMoved_GoesOnAtTheSnapshotsLength()
    {
        await using var log = await Tree.Files.OpenAppenderAsync("log", Mode, default);
        await AppendAsync(log, "on the first machine\n");
        var empty = await Tree.CreateAsync("empty", Tree.WriteOnly);
        Task? lost = null;
        await using var next = await MovedAsync(whenCaptured: () => lost = AppendAsync(log, "after the snapshot\n"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => lost!);
        await using (var again = await next.Files.OpenAppenderAsync("log", Mode, default))
        {
            await AppendAsync(again, "on the second\n");
        }

        Assert.Empty(await next.Files.DrainAsync(includingOpen: true, default));
        Assert.Equal("", Bucket.Text("empty"));
        Tree.Files.Release(empty);
        Assert.Equal("on the first machine\non the second\n", Bucket.Text("log"));
    }

    private static Task AppendAsync(FileAppender log, string text) => log.AppendAsync(Encoding.UTF8.GetBytes(text), default).AsTask();
}
