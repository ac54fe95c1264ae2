using Floe.S3;
using Floe.Store;
using Floe.Testing;
using Floe.Testing.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>The line that `floe check --store` adds.</summary>
public sealed class CheckStoreTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Check_StoreThatIsNoneYet_PassesAndMakesNone()
    {
        var (status, detail, _) = await CheckAsync("file://" + _folder.Folder("store"), []);
        Assert.Equal("Pass", status);
        Assert.Contains("the first run makes it a Floe store", detail, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder["store"], "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Check_Store_Passes()
    {
        var url = "file://" + _folder.Folder("store");
        await using (var objects = ObjectStores.Open(StoreUrl.TryParse(url, out _)!, new ObjectStoreOptions(), NullLoggerFactory.Instance, TimeProvider.System))
        {
            await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: true, CancellationToken.None);
        }

        var (status, detail, _) = await CheckAsync(url, []);
        Assert.Equal(("Pass", $"{url} is a Floe store"), (status, detail));
    }

    [Fact]
    public async Task Check_BucketWithTheWrongKeys_FailsAndNamesThePermissions()
    {
        await using var server = await S3Double.StartAsync();
        var (status, _, fix) = await CheckAsync($"s3://{S3Double.Bucket}/store",
        [
            ("AWS_ACCESS_KEY_ID", server.Keys.AccessKeyId), ("AWS_SECRET_ACCESS_KEY", "wrong"), ("AWS_REGION", "us-east-1"),
            ("FLOE_S3_ENDPOINT", server.Endpoint.ToString().TrimEnd('/')), ("FLOE_S3_MAX_ATTEMPTS", "1"),
        ]);
        Assert.Equal("Fail", status);
        Assert.Contains("PutObject", fix, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The rest of the lines are of the machine that this test runs on.</summary>
    private static async Task<(string? Status, string? Detail, string? Fix)> CheckAsync(string url, (string Name, string Value)[] variables)
    {
        var said = await FloeProgram.RunAsync(["check", "--store", url, "--json"], variables);
        var lines = said.Json.EnumerateArray().ToList();
        Assert.Equal(lines.Any(l => l.GetProperty("status").GetString() == "Fail") ? 1 : 0, said.Status);
        var line = Assert.Single(lines, l => l.GetProperty("name").GetString() == "store");
        return (line.GetProperty("status").GetString(), line.GetProperty("detail").GetString(), line.TryGetProperty("fix", out var fix) ? fix.GetString() : null);
    }
}
