using Floe.Agent.Memory;
using Floe.Criu.Images;
using Xunit;

namespace Floe.Tests.Memory;

public sealed class PageCursorTests
{
    [Fact]
    public void Take_ScatteredPages_CutsOnTheGrid()
    {
        var pieces = new List<PagePiece>();

        var cursor = new PageCursor([new PageRange(0x1000, 1), new PageRange(0x3000, 3), new PageRange(0x10000, 8)]);
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
        var cursor = new PageCursor([new PageRange(0x2000, 1), new PageRange(0x3000, 9)]);
        var taken = new List<int>();
        while (!cursor.AtEnd)
        {
            taken.Add(cursor.Take([], 20 * 1024));
        }

        Assert.Equal([8192, 16384, 16384], taken);
    }
}
