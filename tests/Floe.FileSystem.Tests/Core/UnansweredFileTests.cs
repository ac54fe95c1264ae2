using System.Text;
using Floe.FileSystem.Content;
using Floe.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Files whose upload got through while every try of it failed, before it is tried again. Under 1 s in all.</summary>
public sealed class UnansweredFileTests : CoreTests
{
    private static readonly string s_text = new('a', 3 * BlockMap.BlockBytes);

    [Fact]
    public async Task Capture_ChangeOfAnObjectGotThrough_GoesOnFromIt()
    {
        await ChangeUnansweredAsync();
        await using var next = await MovedAsync();
        Assert.Equal("b" + s_text[1..], await next.ReadAsync("f"));
        await next.DrainAsync();
        Assert.Equal("b" + s_text[1..], Bucket.Text("f"));
    }

    [Fact]
    public async Task Capture_BucketDoesNotAnswer_HasTheStateAllTheSame()
    {
        await ChangeUnansweredAsync();
        Bucket.Before = (call, key) => Fail(call == "Head");
        var captured = await Tree.Files.CaptureAsync(taskRunsOn: true, default);
        Assert.True(Assert.Single(captured.State.Nodes).Content!.IsDirty);
        Bucket.Before = null;
        Tree.Files.Resume(isDropped: true);
    }

    [Fact]
    public async Task Rename_ChangeOfAnObjectGotThrough_TakesItAlong()
    {
        await ChangeUnansweredAsync();
        await Tree.RenameAsync("f", "g");
        await Tree.DrainAsync();
        Assert.Equal(["g"], Bucket.Keys);
        Assert.Equal("b" + s_text[1..], Bucket.Text("g"));
    }

    [Fact]
    public async Task Rename_NewFileGotThrough_LeavesNoneUnderTheOldName()
    {
        await NewUnansweredAsync();
        await Tree.RenameAsync("f", "g");
        await Tree.DrainAsync();
        Assert.Equal(["g"], Bucket.Keys);
        Assert.Equal("text", Bucket.Text("g"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Rename_OverAFileThatGotThrough_ReplacesIt(bool wasThere)
    {
        if (wasThere)
        {
            await ChangeUnansweredAsync();
        }
        else
        {
            await NewUnansweredAsync();
        }

        Bucket.Put("g", "new");
        await Tree.RenameAsync("g", "f");
        await Tree.DrainAsync();
        Assert.Equal(["f"], Bucket.Keys);
        Assert.Equal("new", Bucket.Text("f"));
    }

    /// <summary>An object's first byte is changed, the PUT takes effect and fails; the rest is not in the cache.</summary>
    private async Task ChangeUnansweredAsync()
    {
        Bucket.Put("f", s_text);
        Bucket.After = (_, _) => Fail(true);
        var handle = await Tree.OpenAsync("f", Tree.WriteOnly);
        await Tree.Files.WriteAsync(handle, 0, Encoding.UTF8.GetBytes("b"), killsPrivileges: false, default);
        Tree.Files.Release(handle);
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Bucket.After = null;
    }

    /// <summary>A file's PUT takes effect and fails.</summary>
    private async Task NewUnansweredAsync()
    {
        Bucket.After = (_, _) => Fail(true);
        await Tree.WriteAsync("f", "text");
        Assert.Single(await Tree.Files.DrainAsync(includingOpen: false, default));
        Bucket.After = null;
    }

    /// <summary>Of a kind that is not tried again for a while, since the clock stands still.</summary>
    private static void Fail(bool condition)
    {
        if (condition)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.AccessDenied, "no answer");
        }
    }
}
