using Xunit;

namespace Floe.FileSystem.Tests.Core;

/// <summary>A service that takes its time for the next page of a listing.</summary>
public sealed class SlowListingTests : CoreTests
{
    protected override FileSystemOptions Options => base.Options with { PageEntries = 1 };

    [Fact]
    public async Task List_ReaderIsKilledWhileThePageIsOnItsWay_EndsAndThePageIsForTheNextReader()
    {
        Bucket.Put("a", "x");
        Bucket.Put("b", "x");
        var folder = Tree.Files.OpenFolder(1);
        var first = new Tree.ListBuffer(2, takesEntries: false);
        var page = new TaskCompletionSource();
        Bucket.Before = (_, _) => Bucket.Listing = Bucket.CallsSoFar.Count(c => c == "List ") > 1 ? page.Task : Task.CompletedTask;
        await Tree.Files.ReadFolderAsync(folder, 0, first, default);
        Assert.Equal("..", first.Entries[^1].Name);

        using var killed = new CancellationTokenSource();
        var reading = Tree.Files.ReadFolderAsync(folder, first.Entries[^1].Next, new Tree.ListBuffer(9, takesEntries: false), killed.Token).AsTask();
        Assert.False(reading.IsCompleted);
        await killed.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(TimeSpan.FromMinutes(1)));

        page.SetResult();
        var rest = new Tree.ListBuffer(9, takesEntries: false);
        await Tree.Files.ReadFolderAsync(folder, first.Entries[^1].Next, rest, default);
        Assert.Equal(["a", "b"], rest.Entries.Select(e => e.Name));
        Assert.Equal(2, Bucket.CallsSoFar.Count(c => c == "List "));
        Tree.Files.ReleaseFolder(folder);
    }
}
