using Floe.FileSystem.Content;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Uploads beside a snapshot that comes to nothing. About 2 s in all.</summary>
public sealed class FailedSnapshotTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PauseAsync_ResumedWithoutAPauseBefore_BreaksOffPartsThatWereUnderWay()
    {
        await using var fixture = await StartAsync();
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        fixture.Server.Faults.Add(new(S3DoubleFaultKind.Stall, int.MaxValue) { Where = c => c.Method == "PUT" && (asked.TrySetResult() || true) });
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(9 << 20), Token);
        await asked.Task.WaitAsync(Token);
        fixture.Store.Resume();
        await fixture.Store.PauseAsync(Token).WaitAsync(TimeSpan.FromSeconds(5), Token);
        fixture.Server.Faults.Clear();
        fixture.Store.Resume();
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(Bytes(9 << 20), fixture.Server.Read("out"));
    }
}
