using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Folders that others remove while this mount knows something of its own of what is in them.</summary>
public sealed class LostFolderTests : CoreTests
{
    private const string D = $"s3/{Tree.Bucket}/d";

    protected override FileSystemOptions Options => new();

    [Theory]
    [InlineData("d/tmp")]
    [InlineData("d/sub/tmp")]
    public async Task Capture_FolderOfOwnAttributesIsGoneWithTheOneAboveIt_CanBeGoneOnFrom(string path)
    {
        var names = path.Split('/');
        for (var depth = 1; depth < names.Length; depth++)
        {
            await Tree.MakeFolderAsync($"s3/{Tree.Bucket}/{string.Join('/', names[..depth])}");
        }

        var known = Tree.Files.KnownNames;
        await Tree.MakeFolderAsync($"s3/{Tree.Bucket}/{path}", mode: 0x1C0);
        Assert.True(Tree.Files.KnownNames > known);
        await RemovedByOthersAsync();
        Assert.True(Tree.Files.KnownNames <= known);
        await using var next = await MovedAsync();
        Assert.False(await next.ExistsAsync(D));
    }

    [Fact]
    public async Task Lookup_FolderIsGoneAndAFileInItOpen_FileHasNoNameAnyMore()
    {
        Bucket.Put("d/sub/f", "text");
        var entry = await Tree.FindAsync($"{D}/sub/f");
        var handle = (await Tree.Files.OpenAsync(entry.NodeId, Tree.ReadOnly, default)).Handle;
        Assert.Equal("text", await Tree.ReadAsync(handle));
        await RemovedByOthersAsync();
        Assert.Equal(0u, (await Tree.Files.GetAttributesAsync(entry.NodeId, default)).Attributes.NLink);
        Assert.Equal("text", await Tree.ReadAsync(handle));
        Tree.Files.Release(handle);
        Tree.Files.Forget(entry.NodeId, 1);
    }

    private async Task RemovedByOthersAsync()
    {
        foreach (var key in Bucket.Keys)
        {
            Bucket.Remove(key);
        }

        PassTime();
        Assert.False(await Tree.ExistsAsync(D));
    }
}
