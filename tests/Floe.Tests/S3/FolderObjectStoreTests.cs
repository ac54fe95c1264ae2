using Floe.S3;
using Floe.Testing;
using Floe.Testing.Time;
using Xunit;

namespace Floe.Tests.S3;

/// <summary>What only a folder can get wrong.</summary>
public sealed class FolderObjectStoreTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task PutAsync_NewFolders_ArePrivate()
    {
        await using var store = Open();
        await store.PutAsync(new("a/b"), new byte[1], PutCondition.None, Token);
        foreach (var path in (string[])["", "/a", "/.floe", "/.floe/tmp"])
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["store"] + path));
        }

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["store"] + "/a/b"));
    }

    [Fact]
    public async Task PutAsync_AnyOutcome_LeavesNoTemporaryFile()
    {
        await using var store = Open();
        await store.PutAsync(new("x"), new byte[1], PutCondition.IfAbsent, Token);
        await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("x"), new byte[1], PutCondition.IfAbsent, Token));
        await store.PutAsync(new("x"), new byte[1], PutCondition.None, Token);
        Assert.Empty(Directory.EnumerateFiles(_folder["store"] + "/.floe/tmp"));
    }

    [Fact]
    public async Task Open_LeftoversOfDeadWriters_AreRemovedAndThoseOfLiveOnesKept()
    {
        await using var first = Open();
        var temporary = _folder["store"] + "/.floe/tmp/";
        foreach (var name in (string[])["dead", "young", "live"])
        {
            await File.WriteAllTextAsync(temporary + name, name, Token);
        }

        File.SetLastWriteTimeUtc(temporary + "dead", new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        File.SetLastWriteTimeUtc(temporary + "live", new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        // .NET locks what it opens unshared with the same flock that writers use.
        using (new FileStream(temporary + "live", FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            await using var second = Open();
            Assert.Equal(["live", "young"], Directory.EnumerateFiles(temporary).Select(p => Path.GetFileName(p)).Order());
        }
    }

    [Fact]
    public async Task PutAsync_ClockThatStandsStill_StillChangesTheVersion()
    {
        await using var store = Open(new FakeTimeProvider());
        var versions = new HashSet<ETag>();
        for (var i = 0; i < 20; i++)
        {
            Assert.True(versions.Add(await store.PutAsync(new("lease"), new byte[8], PutCondition.None, Token)));
        }
    }

    [Fact]
    public async Task PutAsync_WhileOthersDeleteTheFolder_NeverFailsAndNeverLoses()
    {
        await using var writer = Open();
        await using var deleter = Open();
        for (var i = 0; i < 100; i++)
        {
            await writer.PutAsync(new("d/e/x"), new byte[1], PutCondition.None, Token);
            var deleting = deleter.DeleteAsync([new("d/e/x")], Token);
            await writer.PutAsync(new("d/e/y"), new byte[2], PutCondition.None, Token);
            await deleting;
            Assert.Equal(2, (await writer.HeadAsync(new("d/e/y"), Token))!.Size);
            await deleter.DeleteAsync([new("d/e/y")], Token);
            Assert.False(Directory.Exists(_folder["store"] + "/d"));
        }
    }

    [Theory]
    [InlineData(".floe")]
    [InlineData(".floe/tmp/x")]
    public async Task AnyOperation_TheStoresOwnFolder_IsNoKey(string key)
    {
        await using var store = Open();
        var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new(key), new byte[1], PutCondition.None, Token));
        Assert.Equal(ObjectStoreErrorKind.Unsupported, error.Kind);
    }

    [Fact]
    public async Task AnyRead_SymbolicLinks_AreNoObjects()
    {
        await using var store = Open();
        await File.WriteAllTextAsync(_folder["outside"], "secret", Token);
        File.CreateSymbolicLink(_folder["store"] + "/link", _folder["outside"]);
        Directory.CreateSymbolicLink(_folder["store"] + "/folder", _folder.Folder("elsewhere"));
        await Assert.ThrowsAsync<ObjectStoreException>(() => store.GetAsync(new("link"), 100, Token));
        await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("folder/x"), new byte[1], PutCondition.None, Token));
        Assert.Null(await store.HeadAsync(new("link"), Token));
        Assert.Empty(await store.ListAsync(new(""), Token).ToListAsync(Token));
        Assert.Equal("secret", await File.ReadAllTextAsync(_folder["outside"], Token));
    }

    [Fact]
    public async Task PutAsync_DirectoryOfTheSameName_IsUnsupported()
    {
        await using var store = Open();
        await store.PutAsync(new("a/b"), new byte[1], PutCondition.None, Token);
        foreach (var condition in (PutCondition[])[PutCondition.None, PutCondition.IfAbsent])
        {
            var error = await Assert.ThrowsAsync<ObjectStoreException>(() => store.PutAsync(new("a"), new byte[1], condition, Token));
            Assert.Equal(ObjectStoreErrorKind.Unsupported, error.Kind);
        }
    }

    [Theory]
    [InlineData(Floe.Linux.Errno.ENOSPC, ObjectStoreErrorKind.NoSpace)]
    [InlineData(Floe.Linux.Errno.EDQUOT, ObjectStoreErrorKind.NoSpace)]
    [InlineData(Floe.Linux.Errno.EACCES, ObjectStoreErrorKind.AccessDenied)]
    [InlineData(Floe.Linux.Errno.EROFS, ObjectStoreErrorKind.AccessDenied)]
    [InlineData(Floe.Linux.Errno.EIO, ObjectStoreErrorKind.Unavailable)]
    public void From_Errno_GivesItsKind(int errno, ObjectStoreErrorKind kind) =>
        Assert.Equal(kind, Floe.S3.Folder.FolderErrors.From(StoreUrl.TryParse("/x", out _)!, "writing", errno).Kind);

    [Fact]
    public void Open_PathIsAFile_SaysSo()
    {
        File.WriteAllText(_folder["store"], "");
        var error = Assert.Throws<ObjectStoreException>(() => Open());
        Assert.Contains(_folder["store"], error.Message, StringComparison.Ordinal);
    }

    private IMultipartStore Open(TimeProvider? time = null) =>
        ObjectStores.Open(StoreUrl.TryParse(_folder["store"], out _)!, new ObjectStoreOptions(), null, time);
}
