using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Objects that a snapshot rests on stay what they are while the task may have to go back to it.</summary>
public sealed class HeldBackTests
{
    private const int Size = 100_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Close_TaskIsBeingRestored_NothingGoesUpBeforeItsEnd()
    {
        await using var fixture = await StartAsync();
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.BeginRestore();
        await AppendAsync(known, Size);
        await AppendAsync(fixture.Store.Create(Target("new")), 0);
        Assert.Equal(2, fixture.Store.HeldBack);

        fixture.Store.EndRestore(holdsBack: false);

        await known.SettleAsync().WaitAsync(Token);
        AssertSame([.. Bytes(Size), 1], fixture.Server.Read("known"));
    }

    [Fact]
    public async Task Close_RestoredTaskIsOnTrial_OnlyWhatReplacesAnObjectWaits()
    {
        await using var fixture = await StartAsync();
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.BeginRestore();
        fixture.Store.EndRestore(holdsBack: true);
        await AppendAsync(known, Size);
        var created = fixture.Store.Create(Target("new"));
        await AppendAsync(created, 0);
        await created.SettleAsync().WaitAsync(Token);
        AssertSame([1], fixture.Server.Read("new"));
        Assert.Equal(1, fixture.Store.HeldBack);
        AssertSame(Bytes(Size), fixture.Server.Read("known"));

        Assert.True(fixture.Store.LetGo());

        await known.SettleAsync().WaitAsync(Token);
        AssertSame([.. Bytes(Size), 1], fixture.Server.Read("known"));
    }

    /// <summary>Somebody waits for it.</summary>
    [Fact]
    public async Task SyncAsync_HeldBack_IsInTheBucketAllTheSame()
    {
        await using var fixture = await StartAsync();
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.HoldBack();
        await AppendAsync(known, Size);
        Assert.Equal(1, fixture.Store.HeldBack);
        await known.SyncAsync(Token);
        AssertSame([.. Bytes(Size), 1], fixture.Server.Read("known"));
    }

    [Fact]
    public async Task DrainAsync_HeldBack_AllIsInTheBucket()
    {
        await using var fixture = await StartAsync();
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.HoldBack();
        await AppendAsync(known, Size);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame([.. Bytes(Size), 1], fixture.Server.Read("known"));
    }

    [Fact]
    public async Task WriteAsync_CacheIsFullOfWhatIsHeldBack_HasItsRoom()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.HoldBack();
        known.Open(canRead: false, canWrite: true);
        await known.WriteAsync(0, Bytes(900_000, seed: 2), Token);
        known.Close(canRead: false, canWrite: true);
        Assert.Equal(1, fixture.Store.HeldBack);

        var other = fixture.Store.Create(Target("new"));
        other.Open(canRead: false, canWrite: true);
        await other.WriteAsync(0, Bytes(900_000, seed: 3), Token);

        Assert.Equal(0, fixture.Store.HeldBack);
        AssertSame(Bytes(900_000, seed: 2), fixture.Server.Read("known"));
    }

    /// <summary>Who looks for room before its publication goes on would be refused: nothing seemed to be on its way.</summary>
    [Fact]
    public async Task LetGo_FileWasHeldBack_IsOnItsWayAtOnce()
    {
        const int UploadSlots = 32;
        await using var fixture = await StartAsync();
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.HoldBack();
        await AppendAsync(known, Size);
        for (var i = 0; i < UploadSlots; i++)
        {
            Assert.False(await fixture.Store.EnterSmallAsync(1, Token));
        }

        Assert.True(fixture.Store.Space.IsIdle);
        Assert.True(fixture.Store.LetGo());
        Assert.False(fixture.Store.Space.IsIdle);

        for (var i = 0; i < UploadSlots; i++)
        {
            fixture.Store.LeaveSmall(isLarge: false);
        }

        await known.SettleAsync().WaitAsync(Token);
        Assert.True(fixture.Store.Space.IsIdle);
    }

    /// <summary>The hold of before begins a transfer for what goes on from it, which the next one ends.</summary>
    [Fact]
    public async Task EndRestore_FileIsHeldBackAnew_IsNotOnItsWay()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.BeginRestore();
        await AppendAsync(known, Size);
        fixture.Store.EndRestore(holdsBack: true);
        while (fixture.Store.HeldBack == 0)
        {
            await Task.Delay(10, Token);
        }

        Assert.True(fixture.Store.Space.IsIdle);
        Assert.True(fixture.Store.LetGo());
        await known.SettleAsync().WaitAsync(Token);
        Assert.True(fixture.Store.Space.IsIdle);
        AssertSame([.. Bytes(Size), 1], fixture.Server.Read("known"));
    }

    /// <summary>A restore writes unlinked files anew, and nothing makes room before its end.</summary>
    [Fact]
    public async Task WriteAsync_CacheIsFullDuringARestore_GoesPastTheLimit()
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 1 << 20 });
        var known = await fixture.OpenAsync("known", Bytes(Size), Token);
        fixture.Store.BeginRestore();
        known.Open(canRead: false, canWrite: true);
        await known.WriteAsync(0, Bytes(900_000, seed: 2), Token);
        known.Close(canRead: false, canWrite: true);

        var other = fixture.Store.Create(Target("new"));
        other.Open(canRead: false, canWrite: true);
        await other.WriteAsync(0, Bytes(900_000, seed: 3), Token);

        Assert.Equal(1, fixture.Store.HeldBack);
        AssertSame(Bytes(Size), fixture.Server.Read("known"));
    }

    private static async Task AppendAsync(FileContent content, long offset)
    {
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(offset, new byte[] { 1 }, Token);
        content.Close(canRead: false, canWrite: true);
    }
}
