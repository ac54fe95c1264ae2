using Floe.FileSystem.Content;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Who makes files faster than they go up waits.</summary>
public sealed class UploadBacklogTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private readonly UploadBacklog _backlog = new(2);

    [Fact]
    public async Task Wait_NoMoreThanTheMost_IsNotHeldUp()
    {
        Begin(2);
        await _backlog.WaitAsync(1, Token, Token);
    }

    [Fact]
    public async Task Wait_MoreThanTheMost_GoesOnWhenEnoughHaveEnded()
    {
        Begin(4);
        var waiting = new[] { _backlog.WaitAsync(1, default, Token), _backlog.WaitAsync(1, default, Token) };
        _backlog.End();
        Assert.All(waiting, w => Assert.False(w.IsCompleted));
        _backlog.End();
        await Task.WhenAll(waiting);
        Begin(1);
        Assert.False(_backlog.WaitAsync(1, default, Token).IsCompleted);
    }

    [Fact]
    public async Task Wait_WithPatience_BearsMore()
    {
        Begin(2 * UploadBacklog.Patience);
        await _backlog.WaitAsync(UploadBacklog.Patience, default, Token);
        Begin(1);
        var waiting = _backlog.WaitAsync(UploadBacklog.Patience, default, Token);
        Assert.False(waiting.IsCompleted);
        _backlog.End();
        await waiting;
    }

    [Fact]
    public async Task Wait_Released_GoesOn()
    {
        Begin(3);
        using var released = new CancellationTokenSource();
        var waiting = _backlog.WaitAsync(1, released.Token, Token);
        Assert.False(waiting.IsCompleted);
        await released.CancelAsync();
        await waiting;
    }

    [Fact]
    public async Task Wait_SnapshotIsTaken_GoesOn()
    {
        Begin(3);
        var waiting = _backlog.WaitAsync(1, default, Token);
        _backlog.IsOpen = true;
        await waiting;
        await _backlog.WaitAsync(1, default, Token);
        _backlog.IsOpen = false;
        Assert.False(_backlog.WaitAsync(1, default, Token).IsCompleted);
    }

    [Fact]
    public async Task Wait_Cancelled_Throws()
    {
        Begin(3);
        using var given = new CancellationTokenSource();
        var waiting = _backlog.WaitAsync(1, default, given.Token);
        await given.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    private void Begin(int count)
    {
        for (var i = 0; i < count; i++)
        {
            _backlog.Begin();
        }
    }
}
