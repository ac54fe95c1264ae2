using Floe.Agent.Mounts;
using Floe.FileSystem;
using Floe.FileSystem.Content;
using Floe.S3.Buckets;
using Floe.Testing;
using Floe.Testing.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Mounts;

public sealed class TaskMountTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    /// <summary>What another machine's life rests on stays, and nothing is kept here for a task that is not this machine's.</summary>
    [Fact]
    public async Task FinishAsync_LeaseIsLostMeanwhile_NothingMoreGoesUpAndNothingIsKept()
    {
        await using var server = await S3Double.StartAsync();
        server.Write("out", "old"u8.ToArray());
        server.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Stall, int.MaxValue) { Where = call => call.Method == "PUT" });
        var request = new MountRequest(
            _folder["mount"], new FileSystemOptions { Root = new BucketFolder(S3Double.Bucket, "") },
            new ContentStoreOptions { CacheFolder = _folder["cache"], MaxCacheBytes = 1 << 20 }) { RemovesCacheFolder = false };
        var mount = new TaskMount(request, server.OpenBuckets(), NullLoggerFactory.Instance, TimeProvider.System);
        await using (mount)
        {
            await mount.StartAsync();
            await Task.Factory.StartNew(() => File.WriteAllText(_folder["mount"] + "/out", "new"), Token, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            using var lost = new CancellationTokenSource();
            var finishing = mount.FinishAsync(lost.Token, Token);
            while (!server.Calls.Any(call => call.Method == "PUT"))
            {
                await Task.Delay(10, Token);
            }

            Assert.False(finishing.IsCompleted);
            await lost.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => finishing);
        }

        Assert.Equal("old"u8.ToArray(), server.Read("out"));
        Assert.False(Directory.Exists(_folder["cache"] + "/kept"));
    }
}
