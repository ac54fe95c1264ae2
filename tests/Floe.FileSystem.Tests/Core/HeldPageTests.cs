using System.Text;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A page of a folder's listing is given out long after the bucket made it: what happened since counts, not what it says.</summary>
public sealed class HeldPageTests : CoreTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task List_FileWasAppendedToSincePageWasAskedFor_KeepsItsLengthAndName(bool isOpen)
    {
        Bucket.Put("a", "x");
        Bucket.Put("log", "1\n");
        var reader = isOpen ? await Tree.OpenAsync("log", Tree.ReadOnly) : 0;
        var (folder, next) = await BeginAsync();
        await AppendAsync("log", "2\n");
        var rest = await GoOnAsync(folder, next);
        Assert.Equal(["log"], rest.Entries.Select(e => e.Name));
        Assert.Equal(4UL, (await Tree.StatAsync("log")).Size);
        await AppendAsync("log", "3\n");
        Assert.Equal("1\n2\n3\n", Bucket.Text("log"));
        if (isOpen)
        {
            Assert.Equal(rest.Entries[0].Node, (await Tree.FindAsync("log")).NodeId);
            Assert.Equal("1\n2\n3\n", await Tree.ReadAsync(reader));
            Tree.Files.Release(reader);
        }
    }

    [Fact]
    public async Task List_AnswerIsOfBeforeAPublication_KeepsTheFile()
    {
        Bucket.Put("a", "x");
        Bucket.Put("log", "1\n");
        var isFirst = true;
        Bucket.Listed = () =>
        {
            if (isFirst)
            {
                // The answer is on its way.
                isFirst = false;
                AppendAsync("log", "2\n").GetAwaiter().GetResult();
            }
        };
        Assert.Equal(["a", "log"], (await Tree.ListAsync("", takesEntries: true)).Select(e => e.Name));
        Assert.Equal(4UL, (await Tree.StatAsync("log")).Size);
    }

    [Fact]
    public async Task List_NameWasRemovedSincePageWasAskedFor_IsLeftOut()
    {
        Bucket.Put("a", "x");
        Bucket.Put("log", "1\n");
        var (folder, next) = await BeginAsync();
        await Tree.UnlinkAsync("log");
        Time.Advance(TimeSpan.FromSeconds(5));
        Assert.Empty((await GoOnAsync(folder, next)).Entries);
        await Tree.WriteAsync("log", "new");
        Assert.Equal("new", await Tree.ReadAsync("log"));
    }

    [Fact]
    public async Task List_MoreChangedThanIsKept_BelievesNoneOfThePage()
    {
        Bucket.Put("a", "x");
        Bucket.Put("log", "1\n");
        var (folder, next) = await BeginAsync();
        await Tree.RenameAsync("log", "other");
        for (var i = 0; i < 300; i++)
        {
            await Tree.WriteAsync($"f{i}", "x");
        }

        Assert.Empty((await GoOnAsync(folder, next)).Entries);
    }

    [Fact]
    public async Task List_FileIsKnownForLongerThanThePage_IsNotPutBack()
    {
        Bucket.Put("a", "x");
        Bucket.Put("log", "1\n");
        var (folder, next) = await BeginAsync();
        Time.Advance(TimeSpan.FromSeconds(0.5));
        Bucket.Put("log", "another's\n");
        var reader = await Tree.OpenAsync("log", Tree.ReadOnly);
        var rest = await GoOnAsync(folder, next);
        Assert.Equal((await Tree.FindAsync("log")).NodeId, rest.Entries.Single().Node);
        Assert.Equal("another's\n", await Tree.ReadAsync(reader));
        Tree.Files.Release(reader);
        Assert.Equal("another's\n", await Tree.ReadAsync("log"));
    }

    /// <summary>An open folder of which the first name has been given out.</summary>
    private async Task<(ulong Folder, ulong Next)> BeginAsync()
    {
        var folder = Tree.Files.OpenFolder(1);
        var first = new Tree.ListBuffer(3, takesEntries: true);
        await Tree.Files.ReadFolderAsync(folder, 0, first, default);
        Assert.Equal("a", first.Entries[^1].Name);
        return (folder, first.Entries[^1].Next);
    }

    private async Task<Tree.ListBuffer> GoOnAsync(ulong folder, ulong next)
    {
        var rest = new Tree.ListBuffer(int.MaxValue, takesEntries: true);
        await Tree.Files.ReadFolderAsync(folder, next, rest, default);
        Tree.Files.ReleaseFolder(folder);
        return rest;
    }

    private async Task AppendAsync(string name, string text)
    {
        var handle = await Tree.OpenAsync(name, Tree.WriteOnly);
        var size = (long)(await Tree.StatAsync(name)).Size;
        await Tree.Files.WriteAsync(handle, size, Encoding.UTF8.GetBytes(text), killsPrivileges: false, default);
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
    }
}
