using Floe.FileSystem.Content;
using Xunit;

namespace Floe.FileSystem.Tests.Content;

/// <summary>How far ahead of a reader bytes are fetched. Milliseconds.</summary>
public sealed class ReadAheadTests
{
    private const int Piece = 128 << 10;
    private const long MaxBytes = 64 << 20;
    private const long Mebibyte = 1 << 20;

    [Fact]
    public void Note_ReaderThatWaits_WindowGrowsToTheLimit()
    {
        var windows = Windows(new ReadAhead(MaxBytes), 0, 400, isHere: false);
        Assert.Equal(Mebibyte, windows[0]);
        Assert.Equal([Mebibyte, 8 * Mebibyte, MaxBytes], windows.Distinct());
    }

    [Fact]
    public void Note_ReaderThatNeverWaits_WindowGrowsToWhatMostNetworksNeed()
    {
        var windows = Windows(new ReadAhead(MaxBytes), 0, 400, isHere: true);
        Assert.Equal(((long[])[1, 2, 4, 8, 16]).Select(w => w * Mebibyte), windows.Distinct());
    }

    [Fact]
    public void Note_LimitBelowTheFirstWindows_IsTheLimit()
    {
        Assert.Equal(3 * Mebibyte, Windows(new ReadAhead(3 * Mebibyte), 0, 100, isHere: false).Max());
    }

    [Fact]
    public void Note_ReadsAtRandom_FetchNothingAhead()
    {
        var ahead = new ReadAhead(MaxBytes);
        foreach (var offset in (long[])[900, 100, 700, 300, 500])
        {
            Assert.Equal((offset * Mebibyte) + Piece, ahead.Note(offset * Mebibyte, Piece, isHere: false));
        }
    }

    [Fact]
    public void Note_SeveralReadersInOneFile_EachKeepsItsWindow()
    {
        var ahead = new ReadAhead(MaxBytes);
        var first = Windows(ahead, 0, 300, isHere: false);
        Windows(ahead, 500 * Mebibyte, 2, isHere: false);
        Assert.Equal(first[^1], Windows(ahead, 300 * Piece, 1, isHere: false).Single());
    }

    [Fact]
    public void Note_RequestThatWasOvertaken_LosesNothing()
    {
        var ahead = new ReadAhead(MaxBytes);
        Windows(ahead, 0, 300, isHere: false);
        Assert.Equal((300 * Piece) + MaxBytes, ahead.Note(297 * Piece, Piece, isHere: false));
        Assert.Equal((301 * Piece) + MaxBytes, ahead.Note(300 * Piece, Piece, isHere: false));
    }

    /// <summary>Bytes ahead of each of so many reads in order.</summary>
    private static List<long> Windows(ReadAhead ahead, long from, int count, bool isHere) =>
        [.. Enumerable.Range(0, count).Select(i => from + ((long)i * Piece)).Select(at => ahead.Note(at, Piece, isHere) - at - Piece)];
}
