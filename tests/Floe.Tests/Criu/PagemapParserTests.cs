using CsCheck;
using Floe.Criu.Images;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class PagemapParserTests
{
    [Fact]
    public void Feed_NewEntries_GiveTheirCounts()
    {
        var pages = Parse(Images.PagemapImage(3, (0x1000, 1), (0x4000, 5_000_000_000)));
        Assert.Equal("pages-3.img", pages.Image);
        Assert.Equal([new PageRange(0x1000, 1), new PageRange(0x4000, 5_000_000_000)], pages.Ranges);
    }

    [Fact]
    public void Feed_OldEntries_GiveTheirCounts()
    {
        var image = Images.Of(Images.Pagemap, Images.Message((1, 1)), Images.Message((1, 0x7000), (2, 12), (4, 4)));
        Assert.Equal([new PageRange(0x7000, 12)], Parse(image).Ranges);
    }

    [Fact]
    public void Feed_LazyEntryWithoutContent_CountsNoPresentPage()
    {
        var image = Images.Of(Images.Pagemap, Images.Message((1, 1)), Images.Message((1, 0x7000), (2, 0), (4, 2), (5, 12)));
        Assert.Empty(Parse(image).Ranges);
    }

    [Theory]
    [InlineData(0x1001, 1, 4)]
    [InlineData(0x1000, 0, 4)]
    [InlineData(0x1000, 1, 1)]
    [InlineData(0x1000, 1, 64)]
    [InlineData(0x1000, ulong.MaxValue, 4)]
    public void Feed_ImpossibleEntry_Fails(ulong address, ulong pages, ulong flags)
    {
        var image = Images.Of(Images.Pagemap, Images.Message((1, 1)), Images.Message((1, address), (2, 0), (4, flags), (5, pages)));
        Assert.Throws<InvalidDataException>(() => Parse(image));
    }

    [Fact]
    public void Feed_OverlappingEntries_Fails() =>
        Assert.Throws<InvalidDataException>(() => Parse(Images.PagemapImage(1, (0x1000, 2), (0x2000, 1))));

    [Fact]
    public void Feed_WrongMagic_Fails() =>
        Assert.Throws<InvalidDataException>(() => Parse(Images.Of(Images.Files, Images.Message((1, 1)))));

    [Fact]
    public void Feed_HugeRecord_Fails() =>
        Assert.Throws<InvalidDataException>(() => Parse(Images.Of(Images.Pagemap, new byte[100_000])));

    [Fact]
    public void Finish_ImageCutInsideARecord_Fails()
    {
        var image = Images.PagemapImage(1, (0x1000, 2));
        Assert.Throws<InvalidDataException>(() => Parse(image[..^1]));
    }

    [Fact]
    public void Feed_AnyRangesInAnyPieces_GivesThemBack() =>
        Gen.Select(Gen.Select(Gen.ULong[0, 1000], Gen.ULong[1, 1ul << 40]).Array[0, 50], Gen.Int[1, 300]).Sample((runs, piece) =>
        {
            var ranges = new List<(ulong, ulong)>();
            ulong page = 0;
            foreach (var (gap, count) in runs)
            {
                ranges.Add(((page + gap) * 4096, count));
                page += gap + count;
            }

            var image = Images.PagemapImage(9, [.. ranges]);
            var pages = new MemorySink.Pages(1, "");
            var parser = new PagemapParser("pagemap-1.img", _ => pages);
            foreach (var chunk in image.Chunk(piece))
            {
                parser.Feed(chunk);
            }

            Assert.Equal(9u, parser.Finish());
            Assert.Equal(ranges, pages.Ranges.Select(r => (r.Address, r.PageCount)));
            Assert.Equal(ranges.Aggregate(0ul, (sum, r) => sum + r.Item2), parser.PresentPages);
        });

    private static MemorySink.Pages Parse(byte[] image)
    {
        var sink = new MemorySink();
        var parser = new PagemapParser("pagemap-1.img", id => sink.OpenPages(1, $"pages-{id}.img"));
        parser.Feed(image);
        parser.Finish();
        return Assert.Single(sink.Memory);
    }
}
