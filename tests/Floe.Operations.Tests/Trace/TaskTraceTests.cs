using Floe.Agent.Trace;
using Floe.Testing.Time;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Trace;

public sealed class TaskTraceTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);
    private readonly MemoryTarget _target = new();
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task FinishAsync_SecondAgent_AddsItsAttemptAfterTheFirst()
    {
        await EndAsync("a", TraceOutcome.Snapshotted);
        await EndAsync("b", TraceOutcome.Exited);

        Assert.Equal([("a", TraceOutcome.Snapshotted), ("b", TraceOutcome.Exited)], _target.Document.Attempts.Select(t => (t.Id, t.Outcome)));
    }

    [Fact]
    public async Task FinishAsync_AnotherAgentWroteMeanwhile_KeepsBoth()
    {
        await using var first = Open("a");
        await using var second = Open("b");
        await Task.WhenAll(Finish(first, TraceOutcome.Snapshotted), Finish(second, TraceOutcome.Exited));
        Assert.Equal(["a", "b"], _target.Document.Attempts.Select(t => t.Id).Order());
        Assert.DoesNotContain(_target.Document.Attempts, t => t.Outcome == TraceOutcome.Running);
    }

    [Fact]
    public async Task FinishAsync_EveryWriteFails_EndsWithoutAWord()
    {
        _target.BeforeWrite = static _ => throw new IOException("no space left");
        await EndAsync("a", TraceOutcome.Exited);
        Assert.Null(_target.Content);
    }

    [Fact]
    public async Task FinishAsync_FirstWriteFails_TheNextMakesUpForIt()
    {
        var failed = new TaskCompletionSource();
        _target.BeforeWrite = number =>
        {
            if (number == 1)
            {
                failed.SetResult();
                throw new IOException("not now");
            }

            return Task.CompletedTask;
        };
        await using var trace = Open("a");
        await failed.Task;
        await Finish(trace, TraceOutcome.Exited);
        Assert.Equal(TraceOutcome.Exited, Assert.Single(_target.Document.Attempts).Outcome);
    }

    [Fact]
    public async Task FinishAsync_TargetHangs_GivesUpAfterItsPatience()
    {
        var never = new TaskCompletionSource();
        var entered = new TaskCompletionSource();
        _target.BeforeWrite = _ =>
        {
            entered.TrySetResult();
            return never.Task;
        };
        await using var trace = Open("a");
        await entered.Task;
        var finishing = Finish(trace, TraceOutcome.Exited);
        Assert.False(finishing.IsCompleted);
        _time.Advance(s_patience);
        await finishing;
    }

    [Theory]
    [InlineData("""{"kind":"something else"}""")]
    [InlineData("""{"kind":"floe-trace","formatVersion":2}""")]
    [InlineData("not json")]
    public async Task FinishAsync_SomethingElseInItsPlace_LeavesItAlone(string content)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(content);
        _target.Put(bytes);
        await EndAsync("a", TraceOutcome.Exited);
        Assert.Same(bytes, _target.Content);
    }

    [Fact]
    public async Task FinishAsync_TaskWasRemoved_DoesNotBringItBack()
    {
        await using var trace = Open("a");
        while (_target.Content is null)
        {
            await Task.Yield();
        }

        _target.Put(null);
        await Finish(trace, TraceOutcome.LeaseLost);
        Assert.Null(_target.Content);
    }

    [Fact]
    public async Task FinishAsync_ManyAttempts_KeepsTheNewest()
    {
        var document = new TraceDocument { Attempts = [.. Enumerable.Range(0, TraceLimits.Attempts).Select(i => new TraceAttempt { Id = $"{i}" })], AttemptsDropped = 3 };
        _target.Put(TraceCodec.Write(document));
        await EndAsync("new", TraceOutcome.Exited);
        Assert.Equal(TraceLimits.Attempts, _target.Document.Attempts.Count);
        Assert.Equal(("1", "new", 4), (_target.Document.Attempts[0].Id, _target.Document.Attempts[^1].Id, _target.Document.AttemptsDropped));
    }

    [Fact]
    public async Task Update_ManySnapshots_KeepsTheNewestAndCounts()
    {
        await using var trace = Open("a");
        for (var i = 1; i <= TraceLimits.Events + 7; i++)
        {
            var seq = i;
            trace.Update(a => a.Tried(new TraceSnapshot { Seq = seq }));
        }

        await Finish(trace, TraceOutcome.Exited);
        var attempt = Assert.Single(_target.Document.Attempts);
        Assert.Equal((TraceLimits.Events, 7, 8), (attempt.Snapshots.Count, attempt.EventsDropped, attempt.Snapshots[0].Seq));
    }

    private async Task EndAsync(string id, TraceOutcome outcome)
    {
        await using var trace = Open(id);
        await Finish(trace, outcome);
    }

    private static Task Finish(TaskTrace trace, TraceOutcome outcome) =>
        trace.FinishAsync(a => a.Ended(outcome, 0, DateTimeOffset.UnixEpoch), s_patience);

    private TaskTrace Open(string id) => new(
        _target.Open(), new TraceDocument { Key = "k", Store = "file:///s" }, new TraceAttempt { Id = id }, _time, NullLogger.Instance);
}
