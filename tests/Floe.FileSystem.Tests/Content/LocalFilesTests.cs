using Floe.FileSystem.Content;
using Floe.Linux;
using Floe.Linux.Processes;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>More files of the cache than a process may have open.</summary>
public sealed class LocalFilesTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Write_MoreFilesThanMayBeOpen_KeepsFewOpenAndAllBytes()
    {
        const int Files = 64;
        const int MaxOpen = 4;
        await using var fixture = await StartAsync(o => o with { MaxOpenLocalFiles = MaxOpen });
        List<FileContent> contents = [];
        for (var i = 0; i < Files; i++)
        {
            var content = fixture.Store.Create(Target($"{i}"));
            content.Open(canRead: true, canWrite: true);
            await content.WriteAsync(0, Bytes(100_000, i), Token);
            contents.Add(content);
        }

        Assert.InRange(OpenFiles(fixture), 1, MaxOpen);
        for (var i = 0; i < Files; i++)
        {
            var read = new byte[100_000];
            Assert.Equal(read.Length, await contents[i].ReadAsync(0, read, Token));
            AssertSame(Bytes(100_000, i), read);
        }

        contents.ForEach(c => c.Close(canRead: true, canWrite: true));
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        for (var i = 0; i < Files; i++)
        {
            AssertSame(Bytes(100_000, i), fixture.Server.Read($"{i}"));
        }

        Assert.InRange(OpenFiles(fixture), 1, MaxOpen);
    }

    private static int OpenFiles(ContentFixture fixture) => Directory.EnumerateFileSystemEntries("/proc/self/fd")
        .Count(f => ProcFiles.TryReadLink(f) is { } path && path.StartsWith(fixture.CacheFolder, StringComparison.Ordinal) && path.EndsWith(".blocks", StringComparison.Ordinal));
}
