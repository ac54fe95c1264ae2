using CsCheck;
using Floe.Agent.Memory;
using Floe.Criu.Images;
using Floe.Store;
using Xunit;

namespace Floe.Tests.Memory;

public sealed class ProcessPagesTests
{
    private const int SegmentBytes = 10 * 4096;

    [Fact]
    public void Add_AnyPagesAndMappings_GiveWholeWindowsInOrderAndCodeApart() =>
        Gen.Select(
            Gen.Select(Gen.ULong[0, 9], Gen.ULong[1, 60]).Array[1, 40],
            Gen.Select(Gen.ULong[1, 9], Gen.ULong[1, 9]).Array[0, 20]).Sample((runs, mappings) =>
        {
            var code = new List<(ulong Start, ulong End)>();
            ulong window = 0;
            foreach (var (gap, length) in mappings)
            {
                code.Add(((window + gap) << 14, (window + gap + length) << 14));
                window += gap + length;
            }

            var segments = new List<(PageSegment Segment, bool IsCode)>();
            var pages = new ProcessPages(new StreamId(3), 7, code, SegmentBytes, (segment, isCode) => segments.Add((segment, isCode)));
            var expected = new List<ulong>();
            ulong page = 0;
            foreach (var (gap, count) in runs)
            {
                page += gap;
                pages.Add(new PageRange(page << 12, count));
                for (ulong i = 0; i < count; i++)
                {
                    expected.Add(page++ << 12);
                }
            }

            pages.Complete();

            Assert.Equal(expected, segments.SelectMany(s => PagesOf(s.Segment)));
            Assert.Equal(Enumerable.Range(0, segments.Count), segments.Select(s => s.Segment.Ordinal));
            foreach (var (segment, isCode) in segments)
            {
                Assert.Equal((new StreamId(3), 7, PagesOf(segment).Count() * 4096), (segment.Stream, segment.Pid, segment.Bytes));
                Assert.InRange(segment.Bytes, 4096, SegmentBytes + (3 * 4096));
                Assert.All(PagesOf(segment), address => Assert.Equal(isCode, code.Exists(c => c.Start <= address && address < c.End)));
            }

            Assert.All(segments.Zip(segments.Skip(1)), pair => Assert.NotEqual(PagesOf(pair.First.Segment).Last() >> 14, PagesOf(pair.Second.Segment).First() >> 14));
        });

    [Fact]
    public void Add_LongRun_GivesSegmentsAsItComes()
    {
        var segments = new List<PageSegment>();
        var pages = new ProcessPages(default, 7, [], 8 << 20, (segment, _) => segments.Add(segment));

        pages.Add(new PageRange(0x1000, 5000));

        Assert.Equal([(8 << 20) + (3 * 4096), 8 << 20], segments.Select(s => s.Bytes));
        pages.Complete();
        Assert.Equal(5000 * 4096, segments.Sum(s => s.Bytes));
    }

    [Fact]
    public void Mappings_ExecutableOnes_AreWidenedAndJoined() =>
        Assert.Equal(
            [(0x400000ul, 0x408000ul), (0x7f0000010000ul, 0x7f0000014000ul)],
            ExecutableMappings.Parse(
            [
                "00401000-00402000 r-xp 00001000 08:01 131 /usr/bin/x",
                "00402000-00403000 r--p 00002000 08:01 131 /usr/bin/x",
                "00404000-00405000 rwxp 00000000 00:00 0",
                "7f0000000000-7f0000004000 rw-p 00000000 00:00 0",
                "7f0000011000-7f0000013000 --xs 00000000 00:00 0 [vdso]",
            ]));

    [Fact]
    public void Mappings_OfThisProcess_HoldItsCode() => Assert.NotEmpty(ExecutableMappings.Of(Environment.ProcessId));

    private static IEnumerable<ulong> PagesOf(PageSegment segment) =>
        segment.Ranges.SelectMany(range => Enumerable.Range(0, (int)range.PageCount).Select(i => range.Address + ((ulong)i * 4096)));
}
