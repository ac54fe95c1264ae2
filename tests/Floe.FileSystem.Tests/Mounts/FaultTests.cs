using Floe.S3;
using Floe.Testing;
using Floe.Testing.S3;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>A real mount of a service that fails: what can be mended is, and what cannot has its error and never wrong bytes.</summary>
public sealed class FaultTests
{
    private const int LargeBytes = 20_000_000;

    [Theory]
    [InlineData(S3DoubleFaultKind.Error, 0)]
    [InlineData(S3DoubleFaultKind.ResetInRequest, 50_000)]
    [InlineData(S3DoubleFaultKind.ResetInAnswer, 50_000)]
    [InlineData(S3DoubleFaultKind.LoseAnswer, 0)]
    [InlineData(S3DoubleFaultKind.StallInAnswer, 50_000)]
    [InlineData(S3DoubleFaultKind.SlowAnswer, 0)]
    [InlineData(S3DoubleFaultKind.WrongContentRange, 0)]
    [InlineData(S3DoubleFaultKind.ShortAnswer, 50_000)]
    [InlineData(S3DoubleFaultKind.EndsEarly, 50_000)]
    [InlineData(S3DoubleFaultKind.CorruptRequest, 0)]
    [InlineData(S3DoubleFaultKind.Garbage, 0)]
    public async Task Files_FaultsOfEveryKind_AreReadAndWrittenAsTheyAre(S3DoubleFaultKind kind, int afterBytes)
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets(o => o with { NoProgressTimeout = TimeSpan.FromMilliseconds(500) });
        using var scratch = new ScratchFolder();
        Write(server, scratch);
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        // Of what reads and writes content: the first requests, then some in the middle.
        var seen = 0;
        server.Faults.Add(new(kind, 8) { AfterBytes = afterBytes, Where = c => c.Method is "GET" or "PUT" or "POST" && c.Key is "large" or "small" or "copy" or "copies/small" && Interlocked.Increment(ref seen) % 3 != 0 });
        var (isOk, output) = await Scripts.ShellAsync(
            scratch, $"cd {mount.Path} && cmp large {scratch["large"]} && cp small large copies/ && cat copies/large > copy && cmp copy {scratch["large"]} && mv copies/small moved && ls");
        Assert.True(isOk, output);
        Assert.Equal("copies\ncopy\nlarge\nmoved\nsmall\n", output);
        await mount.UnmountAsync();
        AssertSame(Bytes(LargeBytes), server.Read("copies/large"));
        AssertSame(Bytes(LargeBytes), server.Read("copy"));
        AssertSame(Bytes(5), server.Read("moved"));
        Assert.Equal(0, server.OpenUploadCount);
    }

    [Fact]
    public async Task Read_AnswersOfAnotherVersion_AreNotTaken()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var scratch = new ScratchFolder();
        Write(server, scratch);
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        server.Faults.Add(new(S3DoubleFaultKind.WrongETag, int.MaxValue) { Where = c => c.Method == "GET" && c.Key == "large" });
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"cat {mount["large"]} | wc -c");
        Assert.False(isOk, output);
        Assert.Contains("Stale file handle", output, StringComparison.Ordinal);
        Assert.Contains("\n0\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Files_ServiceRefusesForGood_HaveTheErrorAndWorkAgainLater()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets(o => o with { MaxAttempts = 2 });
        using var scratch = new ScratchFolder();
        Write(server, scratch);
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        Assert.All((int[])[503, 403, 500], status => server.Write($"large{status}", Bytes(LargeBytes)));
        await AssertRefusedAsync(503, "SlowDown", "Device or resource busy");
        await AssertRefusedAsync(403, "AccessDenied", "Permission denied");
        await AssertRefusedAsync(500, "InternalError", "Remote I/O error");
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"cmp {mount["large"]} {scratch["large"]} && rm {mount["small"]}");
        Assert.True(isOk, output);
        Assert.Null(server.Read("small"));

        async Task AssertRefusedAsync(int status, string code, string message)
        {
            server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue)
            {
                Status = status, Code = code, Where = c => (c.Method == "GET" && c.Key == $"large{status}") || c.Method == "DELETE",
            });
            var (isRead, readErrors) = await Scripts.ShellAsync(scratch, $"cat {mount[$"large{status}"]} > /dev/null");
            var (isRemoved, removeErrors) = await Scripts.ShellAsync(scratch, $"rm {mount["small"]}");
            server.Faults.Clear();
            Assert.False(isRead || isRemoved, $"{status}: read {isRead} {readErrors}, removed {isRemoved} {removeErrors}; {string.Join(", ", server.Calls.Select(c => $"{c.Method} {c.Key}{c.Query}"))}");
            Assert.Contains(message, readErrors, StringComparison.Ordinal);
            Assert.Contains(message, removeErrors, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Write_UploadRefusedForGood_FsyncSaysSo()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets(o => o with { MaxAttempts = 2 });
        using var scratch = new ScratchFolder();
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        server.Faults.Add(new(S3DoubleFaultKind.Error, int.MaxValue) { Status = 403, Code = "AccessDenied", Where = c => c.Method == "PUT" });
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"dd if=/dev/zero of={mount["f"]} bs=1000 count=1 conv=fsync");
        Assert.False(isOk, output);
        Assert.Contains("Input/output error", output, StringComparison.Ordinal);
        server.Faults.Clear();
        (isOk, output) = await Scripts.ShellAsync(scratch, $"sync {mount["f"]}");
        Assert.True(isOk, output);
        Assert.Equal(1000, server.Read("f")!.Length);
    }

    [Fact]
    public async Task Write_CredentialsExpireMidway_GoesOnWithNewOnes()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets(credentials: new RenewedCredentials(server));
        using var scratch = new ScratchFolder();
        Write(server, scratch);
        await using var mount = TestMount.Start(scratch, buckets, new() { Root = new BucketFolder(S3Double.Bucket, "") });
        // Every thirtieth request finds the keys expired, and with it those that were on their way: a client that renews them gets through.
        var seen = 0;
        server.Faults.Add(new(S3DoubleFaultKind.Error) { Where = _ =>
        {
            if (Interlocked.Increment(ref seen) is var number && number % 30 == 10)
            {
                server.Keys = new AccessKeys($"AKIA{number}", "secret", "token");
            }

            return false;
        } });
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"for i in 1 2 3 4; do cat {mount["large"]} > {mount["out"]}$i; done");
        Assert.True(isOk, output);
        await mount.UnmountAsync();
        Assert.All(Enumerable.Range(1, 4), i => AssertSame(Bytes(LargeBytes), server.Read($"out{i}")));
        Assert.True(seen > 20);
    }

    /// <summary>What the tests read, in the bucket and beside it.</summary>
    private static void Write(S3Double server, ScratchFolder scratch)
    {
        server.Write("large", Bytes(LargeBytes));
        server.Write("small", Bytes(5));
        server.Write("copies/", []);
        File.WriteAllBytes(scratch["large"], Bytes(LargeBytes));
    }

    /// <summary>As the chain of AWS: asks again once the keys it gave were refused.</summary>
    private sealed class RenewedCredentials(S3Double server) : ICredentialSource
    {
        private AccessKeys _keys = server.Keys;

        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(_keys);

        public bool Invalidate(AccessKeys refused)
        {
            _keys = server.Keys;
            return true;
        }

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }
}
