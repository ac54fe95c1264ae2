using Floe.FileSystem.Directories;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A lock across awaits whose waiters may give up.</summary>
public sealed class SharedLockTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task EnterSharedAsync_WhoWantedItAloneGivesUp_IsLetInBesideTheOthers()
    {
        var locked = new SharedLock();
        using var first = await locked.EnterSharedAsync(Token);
        using var gaveUp = new CancellationTokenSource();
        var alone = locked.EnterAloneAsync(gaveUp.Token).AsTask();
        var second = locked.EnterSharedAsync(Token).AsTask();
        Assert.False(second.IsCompleted);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => alone);
        (await second.WaitAsync(TimeSpan.FromMinutes(1), Token)).Dispose();
    }
}
