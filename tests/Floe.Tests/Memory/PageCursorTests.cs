using Floe.Agent.Memory;
using Floe.Criu.Images;
using Xunit;

namespace Floe.Tests.Memory;

public sealed class PageCursorTests
{
    [Fact]
    public void Take_ScatteredPages_CutsOnTheGridAndSkipsAbsentOnes()
    {
        var ranges = new PageRangeList();
        ranges.Add(new PageRange(0x1000, 1, PageFlags.Present));
        ranges.Add(new PageRange(0x3000, 3, PageFlags.Present | PageFlags.Lazy));
        ranges.Add(new PageRange(0x8000, 4, PageFlags.None));
        ranges.Add(new PageRange(0x10000, 8, PageFlags.Present));
        var pieces = new List<PagePiece>();

        var cursor = new PageCursor(ranges);
        var bytes = cursor.Take(pieces, int.MaxValue);

        Assert.Equal(12 * 4096, bytes);
        Assert.True(cursor.AtEnd);
        Assert.Equal(
            [(0x1000ul, 4096), (0x3000ul, 4096), (0x4000ul, 8192), (0x10000ul, 16384), (0x14000ul, 16384)],
            pieces.Select(p => (p.Address, p.Bytes)));
        Assert.Equal([0ul, 0ul, 1ul, 4ul, 5ul], pieces.Select(p => p.Window));
    }

    [Fact]
    public void Take_SmallLimit_KeepsWindowsWhole()
    {
        var ranges = new PageRangeList();
        ranges.Add(new PageRange(0x2000, 1, PageFlags.Present));
        ranges.Add(new PageRange(0x3000, 9, PageFlags.Present));
        var cursor = new PageCursor(ranges);
        var taken = new List<int>();
        while (!cursor.AtEnd)
        {
            taken.Add(cursor.Take([], 20 * 1024));
        }

        Assert.Equal([8192, 16384, 16384], taken);
    }

    [Fact]
    public void Take_CopyOfCursor_StartsWhereItWasCopied()
    {
        var ranges = new PageRangeList();
        ranges.Add(new PageRange(0, 100, PageFlags.Present));
        var cursor = new PageCursor(ranges);
        cursor.Take([], 64 * 1024);
        var copy = cursor;
        cursor.Take([], 64 * 1024);

        var pieces = new List<PagePiece>();
        copy.Take(pieces, 16 * 1024);
        Assert.Equal(64 * 1024ul, pieces[0].Address);
    }
}
