using System.Threading.Channels;
using Floe.Agent.Snapshots;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class BackgroundPruningTests
{
    private readonly Channel<(CancellationToken Stop, TaskCompletionSource End)> _rounds = Channel.CreateUnbounded<(CancellationToken, TaskCompletionSource)>();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Begin_ARoundIsUnderWay_OneMoreFollows()
    {
        await using var pruning = New();
        pruning.Begin();
        var first = await _rounds.Reader.ReadAsync(Token);
        pruning.Begin();
        pruning.Begin();
        Assert.False(_rounds.Reader.TryRead(out _));
        first.End.SetResult();
        var second = await _rounds.Reader.ReadAsync(Token);
        second.End.SetResult();
        await pruning.DisposeAsync();
        Assert.False(_rounds.Reader.TryRead(out _));
    }

    /// <summary>A notice comes while the store takes its time.</summary>
    [Fact]
    public async Task Stop_ARoundIsUnderWay_IsCutShortAndTheNextBeginReachesAnother()
    {
        await using var pruning = New();
        pruning.Begin();
        var first = await _rounds.Reader.ReadAsync(Token);
        pruning.Begin();
        pruning.Stop();
        Assert.True(first.Stop.IsCancellationRequested);
        pruning.Begin();
        first.End.SetResult();
        var second = await _rounds.Reader.ReadAsync(Token);
        Assert.False(second.Stop.IsCancellationRequested);
        second.End.SetResult();
    }

    [Fact]
    public async Task DisposeAsync_ARoundIsUnderWay_WaitsForItsEndAndThereIsNoOther()
    {
        var pruning = New();
        pruning.Begin();
        var round = await _rounds.Reader.ReadAsync(Token);
        var ending = pruning.DisposeAsync().AsTask();
        Assert.True(round.Stop.IsCancellationRequested);
        Assert.False(ending.IsCompleted);
        pruning.Begin();
        round.End.SetResult();
        await ending;
        Assert.False(_rounds.Reader.TryRead(out _));
    }

    private BackgroundPruning New() => new(stop =>
    {
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _rounds.Writer.TryWrite((stop, end));
        return end.Task;
    });
}
