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

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Resume_AfterACapture_PartsAreSealedForASnapshotThatMayBeThereAlone(bool isDropped)
    {
        await using var fixture = await StartAsync();
        var bytes = Bytes(17 << 20);
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, bytes, Token);
        while (fixture.Server.OpenPartCount < 2 || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        await fixture.Store.PauseAsync(Token);
        Assert.NotNull(content.Capture(carriesAll: false)!.Upload);
        fixture.Store.Resume(isDropped);
        Bytes(10, seed: 2).CopyTo(bytes, 0);
        await content.WriteAsync(0, bytes.AsMemory(0, 10), Token);
        content.Close(canRead: false, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(bytes, fixture.Server.Read("out"));
        Assert.Equal(isDropped ? 0 : 1, fixture.Server.OpenUploadCount);
        await fixture.Store.AbortLeftAsync();
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    /// <summary>The task ran on before the mount was told that there is no snapshot.</summary>
    [Fact]
    public async Task Resume_PartChangedSinceACaptureThatCameToNothing_AbortsTheUploadThatWasGivenUp()
    {
        await using var fixture = await StartAsync();
        var content = fixture.Store.Create(Target("out"));
        content.Open(canRead: false, canWrite: true);
        await content.WriteAsync(0, Bytes(9 << 20), Token);
        while (fixture.Server.OpenPartCount < 1 || content.IsSending)
        {
            await Task.Delay(5, Token);
        }

        await fixture.Store.PauseAsync(Token);
        Assert.NotNull(content.Capture(carriesAll: false)!.Upload);
        await content.WriteAsync(0, Bytes(10, seed: 2), Token);
        fixture.Store.Resume(isDropped: true);
        while (fixture.Server.OpenUploadCount > 0)
        {
            await Task.Delay(5, Token);
        }
    }
}
