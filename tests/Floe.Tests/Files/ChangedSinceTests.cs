using Floe.Agent.Files;
using Xunit;

namespace Floe.Tests.Files;

public sealed class ChangedSinceTests
{
    [Fact]
    public async Task RunAsync_LeftByALaterLife_NamesWhatTheSnapshotDoesNotHold()
    {
        using var machine = new FileMachine(root =>
        {
            File.WriteAllText(Path.Combine(root, "untouched"), "");
            Directory.CreateDirectory(Path.Combine(root, "removed"));
            File.WriteAllText(Path.Combine(root, "removed/below"), "");
        });
        await machine.StartAsync();
        await File.WriteAllTextAsync(machine.In("log"), "held");
        Directory.Delete(machine.In("removed"), true);
        var snapshot = await machine.CaptureAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(12));
        var taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(TimeSpan.FromMilliseconds(12));

        await File.AppendAllTextAsync(machine.In("log"), "more");
        await File.WriteAllTextAsync(machine.In("extra"), "line");
        Directory.CreateDirectory(machine.In("removed"));
        await File.WriteAllTextAsync(machine.In("removed/anew"), "");
        var baseline = await FileBaseline.TakeAsync(machine.Scope, machine.At("state/next"), CancellationToken.None);
        var result = await FilePutBack.RunAsync(machine.Scope, snapshot, new PutBackOptions { Baseline = baseline, Taken = taken, MayHaveGoneOn = true }, CancellationToken.None);

        Assert.Equal([machine.In("extra")], result.ChangedSince);
        Assert.Equal("held", await File.ReadAllTextAsync(machine.In("log")));
    }
}
