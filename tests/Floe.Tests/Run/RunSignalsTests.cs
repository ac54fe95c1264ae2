using System.Runtime.InteropServices;
using Floe.Agent.Run;
using Floe.Linux;
using Xunit;

namespace Floe.Tests.Run;

public sealed class RunSignalsTests
{
    private readonly List<PosixSignal> _got = [];

    [Theory]
    [InlineData(PosixSignal.SIGTERM)]
    [InlineData(PosixSignal.SIGINT)]
    [InlineData(PosixSignal.SIGHUP)]
    public void Receive_NothingRuns_EndsTheRunAndTheTaskDoesNotBegin(PosixSignal signal)
    {
        using var signals = New();
        signals.BeginLife();
        signals.Receive(signal);
        Assert.True(signals.Ended.IsCancellationRequested);
        Assert.Equal(signal, signals.EndedBy);
        Assert.Throws<OperationCanceledException>(signals.TaskBegins);
        Assert.False(signals.HasTaskRun);
    }

    [Fact]
    public void Receive_SignalOfTheProgram_WaitsForTheSupervisor()
    {
        using var signals = New();
        signals.Receive((PosixSignal)Interop.SIGUSR1);
        signals.TaskBegins();
        signals.Receive(PosixSignal.SIGINT);
        Assert.Empty(_got);
        signals.HandTo(_got.Add);
        signals.Receive(PosixSignal.SIGTERM);
        Assert.Equal([(PosixSignal)Interop.SIGUSR1, PosixSignal.SIGINT, PosixSignal.SIGTERM], _got);
        Assert.Null(signals.EndedBy);
        Assert.True(signals.HasTaskRun);
    }

    /// <summary>Else the kernel drops it, where Floe is pid 1, or ends Floe by it.</summary>
    [Fact]
    public void Constructor_EverySignalThatTiniPassesOn_IsCaughtButTheTerminalsAndFloesOwn()
    {
        using var signals = New();
        var line = File.ReadLines("/proc/self/status").Single(l => l.StartsWith("SigCgt:", StringComparison.Ordinal));
        var caught = Convert.ToUInt64(line["SigCgt:".Length..].Trim(), 16);
        int[] kept = [4, 5, 6, 7, 8, 9, 11, 13, 17, 19, 20, 21, 22, 23, 25, 31, 32, 33, 34];
        Assert.All(Enumerable.Range(1, 64).Except(kept), number => Assert.True((caught & (1UL << (number - 1))) != 0, $"{number} is not caught"));
    }

    [Fact]
    public void Receive_TermThatTheSupervisorIsToHave_EndsNothing()
    {
        using var signals = new RunSignals(() => Task.FromResult(true));
        signals.Receive(PosixSignal.SIGTERM);
        Assert.False(signals.Ended.IsCancellationRequested);
        signals.TaskBegins();
        signals.HandTo(_got.Add);
        Assert.Equal([PosixSignal.SIGTERM], _got);
    }

    /// <summary>The metadata service takes a moment to say whether a notice is pending.</summary>
    [Fact]
    public async Task Receive_TaskBeginsWhileItIsAsked_TermIsTheSupervisors()
    {
        var answer = new TaskCompletionSource<bool>();
        using var signals = new RunSignals(() => answer.Task);
        signals.Receive(PosixSignal.SIGTERM);
        signals.TaskBegins();
        answer.SetResult(false);
        await Task.Yield();
        Assert.False(signals.Ended.IsCancellationRequested);
        signals.HandTo(_got.Add);
        Assert.Equal([PosixSignal.SIGTERM], _got);
    }

    [Fact]
    public void TaskIsNotThere_SignalCameWhileItWasAboutToRun_EndsTheRun()
    {
        using var signals = New();
        signals.TaskBegins();
        signals.Receive(PosixSignal.SIGTERM);
        Assert.Null(signals.EndedBy);
        signals.TaskIsNotThere();
        Assert.Equal(PosixSignal.SIGTERM, signals.EndedBy);
        Assert.True(signals.HasTaskRun);
    }

    [Fact]
    public void BeginLife_AfterOneThatIsOver_IsAsTheFirst()
    {
        using var signals = New();
        signals.BeginLife();
        signals.TaskBegins();
        signals.HandTo(_got.Add);
        signals.Ignore();
        signals.Receive(PosixSignal.SIGTERM);
        signals.BeginLife();
        Assert.False(signals.HasTaskRun);
        Assert.Null(signals.EndedBy);
        signals.Receive(PosixSignal.SIGTERM);
        Assert.Equal(PosixSignal.SIGTERM, signals.EndedBy);
        Assert.Empty(_got);
    }

    private static RunSignals New() => new(() => Task.FromResult(false));
}
