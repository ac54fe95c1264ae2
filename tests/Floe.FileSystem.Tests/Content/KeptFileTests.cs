using Floe.FileSystem.Content;
using Floe.Testing;
using Floe.Testing.S3;
using Microsoft.Extensions.Logging;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>What could not be uploaded outlives the mount, also where it cannot be put where it belongs.</summary>
public sealed class KeptFileTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Dispose_FilesCannotBeMovedToKept_AllOfThemOutliveTheNextMount()
    {
        await using var server = await S3Double.StartAsync();
        await using var buckets = server.OpenBuckets();
        using var folder = new ScratchFolder();
        var options = new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 256 << 20 };
        using var log = new ListedLog();
        await using (var store = new ContentStore(buckets, options, log))
        {
            for (var seed = 1; seed <= 3; seed++)
            {
                var content = store.Create(Target($"f{seed}"));
                content.Open(canRead: false, canWrite: true);
                await content.WriteAsync(0, Bytes(100_000, seed), Token);
            }

            // As a full disk or a missing right would have it.
            await File.WriteAllTextAsync(folder["cache/kept"], "in the way", Token);
        }

        // On this machine the next mount tells the folders of the dead and removes them.
        await new ContentStore(buckets, options).DisposeAsync();
        var left = Directory.GetFiles(folder["cache"], "*", SearchOption.AllDirectories).Where(f => Path.GetFileName(f) != "kept").ToList();
        Assert.Equal(3, left.Count);
        for (var seed = 1; seed <= 3; seed++)
        {
            var line = Assert.Single(log.Lines, l => l.Contains($"/f{seed} did not reach the bucket", StringComparison.Ordinal));
            AssertSame(Bytes(100_000, seed), await File.ReadAllBytesAsync(Assert.Single(left, f => line.Contains(f, StringComparison.Ordinal)), Token));
        }
    }

    private sealed class ListedLog : ILoggerFactory, ILogger
    {
        public List<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => this;

        public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Add(formatter(state, exception));

        public void Dispose()
        {
        }
    }
}
