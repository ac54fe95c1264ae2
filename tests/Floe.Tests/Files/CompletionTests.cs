using Floe.Agent.Files;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Works side by side, of which one fails.</summary>
public sealed class CompletionTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task RunAllAsync_OneFails_OthersAreStoppedAndItsFailureIsThrown(bool failsFirst)
    {
        Func<CancellationToken, Task>[] works =
        [
            stop => Task.Delay(Timeout.Infinite, stop),
            async stop =>
            {
                await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                throw new IOException("what comes of being stopped");
            },
        ];
        Func<CancellationToken, Task> fails = _ => throw new FileStateException("cannot be read");

        var failure = await Assert.ThrowsAsync<FileStateException>(() => Completion.RunAllAsync(Token, failsFirst ? [fails, .. works] : [.. works, fails]));

        Assert.Equal("cannot be read", failure.Message);
    }

    [Fact]
    public async Task RunAllAsync_Cancelled_IsACancellation()
    {
        using var cancelled = new CancellationTokenSource();
        var all = Completion.RunAllAsync(cancelled.Token, stop => Task.Delay(Timeout.Infinite, stop), _ => Task.CompletedTask);
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => all);
    }

    [Fact]
    public async Task RunAllAsync_NoneFails_AllAreDone()
    {
        var done = 0;
        await Completion.RunAllAsync(Token, async stop =>
        {
            await Task.Yield();
            Interlocked.Increment(ref done);
        }, _ => Task.FromResult(Interlocked.Increment(ref done)));
        Assert.Equal(2, done);
    }
}
