using Floe.Fuse.Protocol;
using Floe.Fuse.Serving;
using Xunit;

namespace Floe.FileSystem.Tests.Requests;

/// <summary>Requests of no process: the kernel's own. Some milliseconds.</summary>
public sealed class PendingRequestsTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReleasesTraced_RequestOfNoProcess_IsReleasedAtOnce(bool isThereBefore)
    {
        var pending = new PendingRequests(TimeProvider.System);
        using var request = new FuseRequest(null!, new InHeader { Unique = 1 });
        using var another = new FuseRequest(null!, new InHeader { Unique = 2, Pid = 1 });
        var released = new TaskCompletionSource();
        using var registration = request.Released.Register(released.SetResult);
        var others = another.Released;
        pending.Add(another);
        pending.ReleasesTraced = !isThereBefore;
        pending.Add(request);
        pending.ReleasesTraced = true;
        await released.Task.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.False(others.IsCancellationRequested);
        Assert.False(request.Token.IsCancellationRequested);
    }
}
