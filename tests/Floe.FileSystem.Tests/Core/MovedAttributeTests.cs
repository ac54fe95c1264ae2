using Floe.FileSystem.Moving;
using Floe.Fuse;
using Floe.Linux;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Changed attributes of what is in the bucket and closed, on the machine that goes on.</summary>
public sealed class MovedAttributeTests : CoreTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task SetAttributes_ClosedFileMoved_HoldsAndTheFileCanBeRead(bool isListedFirst)
    {
        Bucket.Put("tool", "#!/bin/sh");
        await Tree.ChangeAsync("tool", new FuseSetAttributes { Mode = 0x1C0 });
        await using var next = await MovedAsync();
        if (isListedFirst)
        {
            await next.ListAsync("", takesEntries: true);
        }

        Assert.Equal("#!/bin/sh", await next.ReadAsync("tool"));
        Assert.Equal(0x1C0u, (await next.StatAsync("tool")).Mode & 0xFFF);
        PassTime();
        var stat = await next.StatAsync("tool");
        Assert.Equal((0x1C0u, 9UL), (stat.Mode & 0xFFF, stat.Size));
        Assert.Equal("#!/bin/sh", await next.ReadAsync("tool"));
    }

    /// <summary>SQLite refuses to write to a database whose name shows another inode than the one that it has open.</summary>
    [Fact]
    public async Task Stat_OpenFileMoved_HasTheSameNumberAndNobodyElseHas()
    {
        Bucket.Put("d/other", "x");
        await Tree.WriteAsync("first", "text");
        var handle = await Tree.OpenAsync("d/other", Tree.ReadWrite);
        var made = await Tree.CreateAsync("d/made", Tree.ReadWrite);
        var numbers = new List<ulong>();
        foreach (var name in (string[])["d/other", "d/made"])
        {
            numbers.Add((await Tree.StatAsync(name)).Ino);
        }

        await using var next = await MovedAsync();
        Assert.Equal(numbers, [(await next.StatAsync("d/other")).Ino, (await next.StatAsync("d/made")).Ino]);
        await next.WriteAsync("d/new", "text");
        var all = new List<ulong> { (await next.StatAsync("")).Ino };
        foreach (var name in (string[])["d", "d/other", "d/made", "d/new", "first"])
        {
            all.Add((await next.StatAsync(name)).Ino);
        }

        Assert.Distinct(all);
        Tree.Files.Release(handle);
        Tree.Files.Release(made);
    }

    [Fact]
    public async Task SetAttributes_LinkMoved_IsReadAndKeepsItsOwner()
    {
        await Tree.LinkAsync("l", "target");
        await Tree.ChangeAsync("l", new FuseSetAttributes { Uid = 7 });
        await using var next = await MovedAsync();
        Assert.Equal("target", await next.ReadLinkAsync("l"));
        Assert.Equal(7u, (await next.StatAsync("l")).Uid);
    }

    [Fact]
    public async Task SetAttributes_ObjectReplacedSinceTheSnapshot_AreTheNewObjects()
    {
        Bucket.Put("f", "old");
        await Tree.ChangeAsync("f", new FuseSetAttributes { Mode = 0x1C0 });
        await using var next = await MovedAsync();
        Bucket.Put("f", "newer");
        Assert.Equal("newer", await next.ReadAsync("f"));
        Assert.Equal(0x1EDu, (await next.StatAsync("f")).Mode & 0xFFF);
    }

    [Fact]
    public async Task Import_StateWithoutTheObject_FileIsReadWithTheBucketsAttributes()
    {
        Bucket.Put("f", "text");
        var node = new NodeState { Path = "f", Mode = Interop.S_IFREG | 0x1C0, HasOwnAttributes = true };
        Tree.Files.Import(new MountState { Lineage = new string('a', 32), Root = $"{Tree.Bucket}/", Nodes = [node] });
        Assert.Equal("text", await Tree.ReadAsync("f"));
        Assert.Equal(0x1EDu, (await Tree.StatAsync("f")).Mode & 0xFFF);
    }
}
