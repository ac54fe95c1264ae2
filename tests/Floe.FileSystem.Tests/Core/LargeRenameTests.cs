using Floe.Fuse;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>Renames of files whose upload in parts is under way: others are not kept out for the length of it.</summary>
public sealed class LargeRenameTests : CoreTests
{
    private const int Parts = 4;
    private const int PartBytes = 8 << 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(20);

    private readonly TaskCompletionSource _mayGoUp = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Rename_LittleOfItHasGoneUp_IsAtOnceAndGoesUpUnderTheNewName()
    {
        await WriteAsync("d/tmp", stuckFrom: 1);
        await Tree.RenameAsync("d/tmp", "d/out").WaitAsync(s_patience, Token);
        await EndsWellAsync("d/out");
        Assert.DoesNotContain("CompleteUpload d/tmp", Bucket.Calls);
    }

    [Fact]
    public async Task Rename_MostOfItHasGoneUp_WaitsForTheRestAndKeepsNobodyOut()
    {
        await WriteAsync("d/tmp", stuckFrom: Parts);
        var renaming = Tree.RenameAsync("d/tmp", "d/out");
        await Tree.MakeFolderAsync("d/other").WaitAsync(s_patience, Token);
        await Tree.RenameAsync("d/other", "d/another").WaitAsync(s_patience, Token);
        Assert.False(renaming.IsCompleted);
        _mayGoUp.SetResult();
        await renaming;
        Assert.Contains("CompleteUpload d/tmp", Bucket.Calls);
        await EndsWellAsync("d/out");
    }

    [Fact]
    public async Task Rename_CallerIsBeingFrozen_IsAtOnce()
    {
        await WriteAsync("d/tmp", stuckFrom: Parts);
        var folder = await Tree.FindAsync("d");
        using var released = new CancellationTokenSource();
        var renaming = Tree.Files.RenameAsync(folder.NodeId, "tmp", folder.NodeId, "out", FuseRenameFlags.None, released.Token, Token).AsTask();
        await Task.Delay(50, Token);
        Assert.False(renaming.IsCompleted);
        await released.CancelAsync();
        await renaming.WaitAsync(s_patience, Token);
        Tree.Files.Forget(folder.NodeId, 1);
        await EndsWellAsync("d/out");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(Parts)]
    public async Task RenameFolder_WithSuchAFile_KeepsNobodyOut(int stuckFrom)
    {
        await WriteAsync("d/tmp", stuckFrom);
        var renaming = Tree.RenameAsync("d", "e");
        await Tree.MakeFolderAsync("other").WaitAsync(s_patience, Token);
        _mayGoUp.TrySetResult();
        await renaming.WaitAsync(s_patience, Token);
        await EndsWellAsync("e/tmp");
    }

    [Fact]
    public async Task RenameFolder_AnObjectIsBeingChanged_IsAtOnceAndTheChangesGoUpUnderTheNewName()
    {
        Bucket.Put("d/f", "old text");
        var handle = await Tree.OpenAsync("d/f", Tree.ReadWrite);
        await Tree.Files.WriteAsync(handle, 0, "new"u8.ToArray(), killsPrivileges: false, default);
        await Tree.RenameAsync("d", "e");
        Assert.Equal("old text", Bucket.Text("e/f"));
        Tree.Files.Release(handle);
        await Tree.DrainAsync();
        Assert.Equal("new text", Bucket.Text("e/f"));
        Assert.Equal(["e/", "e/f"], Bucket.Keys);
    }

    [Fact]
    public async Task Sync_FileIsRenamedMeanwhile_ReturnsWithTheObjectUnderTheNewName()
    {
        await Tree.MakeFolderAsync("d");
        var handle = await OpenAndFillAsync("d/tmp", stuckFrom: 1);
        var syncing = Tree.Files.SyncAsync(handle, default, Token).AsTask();
        await IsStuckAsync(1);
        await Tree.RenameAsync("d/tmp", "d/out").WaitAsync(s_patience, Token);
        Assert.False(syncing.IsCompleted);
        _mayGoUp.SetResult();
        await syncing;
        Assert.Contains("d/out", Bucket.Keys);
        Tree.Files.Release(handle);
        await EndsWellAsync("d/out");
    }

    /// <summary>A closed file whose upload stands still before a part.</summary>
    private async Task WriteAsync(string path, int stuckFrom)
    {
        await Tree.MakeFolderAsync("d");
        Tree.Files.Release(await OpenAndFillAsync(path, stuckFrom));
        await IsStuckAsync(stuckFrom);
    }

    private async Task<ulong> OpenAndFillAsync(string path, int stuckFrom)
    {
        Bucket.Sending = part => part >= stuckFrom ? _mayGoUp.Task : Task.CompletedTask;
        var handle = await Tree.CreateAsync(path, Tree.ReadWrite);
        var megabyte = new byte[1 << 20];
        for (var i = 0; i < Parts * (PartBytes >> 20); i++)
        {
            await Tree.Files.WriteAsync(handle, (long)i << 20, megabyte, killsPrivileges: false, default);
        }

        return handle;
    }

    private async Task IsStuckAsync(int stuckFrom)
    {
        while (Bucket.CallsSoFar.Count(c => c.StartsWith("UploadPart ", StringComparison.Ordinal)) < Math.Max(stuckFrom, 2))
        {
            await Task.Delay(10, Token);
        }

        await Task.Delay(50, Token);
    }

    private async Task EndsWellAsync(string path)
    {
        _mayGoUp.TrySetResult();
        await Tree.DrainAsync();
        Assert.Equal(Parts * PartBytes, Bucket.Content(path).Length);
        Assert.DoesNotContain(Bucket.Keys, k => k.EndsWith("/tmp", StringComparison.Ordinal) && k != path);
        Assert.Equal(0, Bucket.OpenUploads);
    }
}
