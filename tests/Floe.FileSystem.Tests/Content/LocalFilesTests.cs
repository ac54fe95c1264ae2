using Floe.FileSystem.Content;
using Floe.FileSystem.Tests.Mounts;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Testing;
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

    /// <summary>ramfs, as NFS before 4.2 and vfat, cannot give back parts of a file.</summary>
    [Fact]
    public async Task Open_FolderWhereNothingCanBeGivenBack_IsRefusedAndLeavesNothing()
    {
        using var scratch = new ScratchFolder();
        var disk = scratch.Folder("disk");
        var (isOk, output) = await Scripts.ShellAsync(scratch, $"mount -t ramfs none {disk}");
        Assert.True(isOk, output);
        try
        {
            var error = await Assert.ThrowsAsync<ContentException>(() => StartAsync(o => o with { CacheFolder = disk }));
            Assert.Equal(ContentErrorKind.LocalDisk, error.Kind);
            Assert.Contains("--cache-folder", error.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.EnumerateFileSystemEntries(disk));
        }
        finally
        {
            _ = Interop.umount2(disk, 0);
        }
    }

    private static int OpenFiles(ContentFixture fixture) => Directory.EnumerateFileSystemEntries("/proc/self/fd")
        .Count(f => ProcFiles.TryReadLink(f) is { } path && path.StartsWith(fixture.CacheFolder, StringComparison.Ordinal) && path.EndsWith(".blocks", StringComparison.Ordinal));
}
