using Floe.Criu.Images;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>
/// The golden image is CRIU's own, of a program with five timers: a periodic one that has expired unread; an absolute one that
/// runs; an absolute one that has expired and was read; a disarmed one with an interval; a periodic one that runs.
/// </summary>
public sealed class TimerfdMendingTests
{
    private static readonly byte[] s_golden = File.ReadAllBytes(Repository.PathOf("tests/Floe.Tests/Criu/Golden/files-timerfd.img"));

    [Fact]
    public void Mend_ExpiredPeriodicTimer_IsArmedAndItsTickTakenOff()
    {
        Assert.Equal("ticks 1, flags 0, value 0.0, interval 0.10000000", Timers(s_golden)[0]);
        Assert.Equal("ticks 0, flags 0, value 0.1, interval 0.10000000", Timers(TimerfdMending.Mend(s_golden))[0]);
    }

    [Fact]
    public void Mend_AbsoluteTimers_BecomeRelative()
    {
        var before = Timers(s_golden);
        var after = Timers(TimerfdMending.Mend(s_golden));
        Assert.All([1, 2], index =>
        {
            Assert.Contains("flags 1", before[index]);
            Assert.Equal(before[index].Replace("flags 1", "flags 0", StringComparison.Ordinal), after[index]);
        });
    }

    [Fact]
    public void Mend_DisarmedAndRunningTimers_StayAsTheyAre()
    {
        var before = Timers(s_golden);
        var after = Timers(TimerfdMending.Mend(s_golden));
        Assert.Equal(before[3..], after[3..]);
    }

    [Fact]
    public void Mend_EverythingElse_IsKeptByteForByte()
    {
        var before = Records(s_golden);
        var after = Records(TimerfdMending.Mend(s_golden));
        Assert.Equal(before.Count, after.Count);
        Assert.All(before.Zip(after), pair => Assert.True(IsTimer(pair.First) || pair.First.AsSpan().SequenceEqual(pair.Second)));
        Assert.Equal(s_golden[..8], TimerfdMending.Mend(s_golden)[..8]);
    }

    [Fact]
    public void Mend_Twice_ChangesNothingMore()
    {
        var once = TimerfdMending.Mend(s_golden);
        Assert.Same(once, TimerfdMending.Mend(once));
    }

    [Fact]
    public void Mend_UnknownFieldsOfTimer_AreKept()
    {
        var timer = Images.Message((1, 9), (5, 1), (6, 0), (7, 0), (8, 0), (9, 1), (10, 0), (99, 1234));
        var image = Images.Of(Images.Files, [.. Images.Message((1, 17), (2, 9)), .. Images.Nested(12, timer)]);
        var mended = Images.Message((1, 9), (5, 0), (6, 0), (7, 0), (8, 1), (9, 1), (10, 0), (99, 1234));
        Assert.Equal(Images.Of(Images.Files, [.. Images.Message((1, 17), (2, 9)), .. Images.Nested(12, mended)]), TimerfdMending.Mend(image));
    }

    [Fact]
    public void Mend_TruncatedAnywhere_FailsOrEndsAtARecord()
    {
        var lengths = new HashSet<int> { 8 };
        foreach (var record in Records(s_golden))
        {
            lengths.Add(lengths.Max() + 4 + record.Length);
        }

        for (var length = 0; length < s_golden.Length; length++)
        {
            if (!lengths.Contains(length))
            {
                Assert.Throws<InvalidDataException>(() => TimerfdMending.Mend(s_golden[..length]));
            }
        }
    }

    private static List<byte[]> Records(byte[] image)
    {
        var records = new List<byte[]>();
        var reader = new ImageRecords("files.img", Images.Files, 1 << 20);
        reader.Feed(image, record => records.Add(record.ToArray()));
        reader.End();
        return records;
    }

    private static bool IsTimer(byte[] record)
    {
        var fields = new ProtoFields(record);
        return fields.Next() && fields is { Number: 1, Value: 17 };
    }

    private static List<string> Timers(byte[] image)
    {
        var timers = new List<string>();
        foreach (var record in Records(image).Where(IsTimer))
        {
            var values = new ulong[11];
            var file = new ProtoFields(record);
            while (file.Next())
            {
                if (file.Number == 12)
                {
                    var timer = new ProtoFields(file.Bytes);
                    while (timer.Next())
                    {
                        values[timer.Number] = timer.Value;
                    }
                }
            }

            timers.Add($"ticks {values[5]}, flags {values[6]}, value {values[7]}.{values[8]}, interval {values[9]}.{values[10]}");
        }

        return timers;
    }
}
