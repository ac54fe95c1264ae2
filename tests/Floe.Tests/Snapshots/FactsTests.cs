using Floe.Agent.Snapshots;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;

namespace Floe.Tests.Snapshots;

public sealed class FactsTests
{
    private static readonly DateTimeOffset s_committed = new(2026, 3, 1, 12, 1, 0, TimeSpan.Zero);

    [Fact]
    public void FrozenAt_ManifestSaysIt_IsTheMomentBeforeTheUpload()
    {
        var frozen = s_committed.AddSeconds(-60).AddTicks(1234567);
        Assert.Equal(frozen, Facts.FrozenAt(Of(Facts.Time(frozen.ToOffset(TimeSpan.FromHours(2))))));
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("yesterday")]
    public void FrozenAt_ManifestDoesNotSayIt_IsTheCommit(string? text) => Assert.Equal(s_committed, Facts.FrozenAt(Of(text)));

    private static Manifest Of(string? frozenAt) => new()
    {
        FormatVersion = 1,
        Key = "task",
        Seq = 1,
        Generation = 1,
        Incarnation = "i",
        CreatedAt = s_committed,
        OldestKept = 1,
        NextFrame = 1,
        Index = new IndexReference("i", 1, "", 1),
        Packs = [],
        Totals = new SnapshotTotals(),
        Task = SnapshotFixture.Facts with { Options = frozenAt is null ? new Dictionary<string, string>() : new Dictionary<string, string> { ["frozenAt"] = frozenAt } },
        Machine = SnapshotFixture.Machine,
        Timings = new SnapshotTimings(),
    };
}
