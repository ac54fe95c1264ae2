using System.Buffers;
using Google.Protobuf;

namespace Floe.Criu.Images;

/// <summary>
/// Mends two faults of how CRIU carries timerfds (criu/timerfd.c, pie/restorer.c), in <c>files.img</c>, before it is stored.
/// <para>
/// A periodic timer that has expired and was not read yet shows a remaining time of 0: the kernel re-arms it at the read.
/// CRIU would restore 0, which is "disarmed", with the tick put back by hand, so it would tick once more and then never
/// again. Mended: remaining 1 ns, and the tick that this makes taken off the count.
/// </para>
/// <para>
/// The remaining time of a timer that was set with TFD_TIMER_ABSTIME is relative too, but CRIU restores it as absolute by
/// adding the clock's whole seconds: up to a second early, and a timer that was done fires again. Mended: the flag is
/// cleared, which makes the remaining time right as it stands.
/// </para>
/// </summary>
internal static class TimerfdMending
{
    public const string ImageName = "files.img";
    private const uint Magic = 0x56303138;
    private const int TimerfdField = 12;
    private const int TicksField = 5;
    private const int FlagsField = 6;
    private const int ValueSecondsField = 7;
    private const int ValueNanosField = 8;
    private const int IntervalSecondsField = 9;
    private const int IntervalNanosField = 10;
    private const ulong TfdTimerAbstime = 1;

    /// <summary>The image with every timer mended; the same array when there is nothing to mend.</summary>
    /// <exception cref="InvalidDataException">Not a <c>files.img</c>.</exception>
    public static byte[] Mend(byte[] image) =>
        ImageEditing.Records(ImageName, Magic, image, static file => ImageEditing.Messages(file, TimerfdField, MendTimer));

    /// <summary>A timerfd_entry; null when it is right as it is.</summary>
    private static byte[]? MendTimer(ReadOnlySpan<byte> timer)
    {
        Span<ulong> values = stackalloc ulong[IntervalNanosField + 1];
        values.Clear();
        var fields = new ProtoFields(timer);
        while (fields.Next())
        {
            if (fields.Number <= IntervalNanosField && fields.Type == WireFormat.WireType.Varint)
            {
                values[fields.Number] = fields.Value;
            }
        }

        // Without a tick it is a timer that its program disarmed and gave an interval: that stays disarmed.
        var expired = values[ValueSecondsField] == 0 && values[ValueNanosField] == 0 && values[TicksField] > 0
            && (values[IntervalSecondsField] | values[IntervalNanosField]) != 0;
        var absolute = (values[FlagsField] & TfdTimerAbstime) != 0;
        if (!expired && !absolute)
        {
            return null;
        }

        var output = new ArrayBufferWriter<byte>(timer.Length + 8);
        fields = new ProtoFields(timer);
        while (fields.Next())
        {
            ulong? replaced = fields.Number switch
            {
                TicksField when expired => values[TicksField] - 1,
                ValueNanosField when expired => 1,
                FlagsField => values[FlagsField] & ~TfdTimerAbstime,
                _ => null,
            };
            if (replaced is { } value && fields.Type == WireFormat.WireType.Varint)
            {
                ImageEditing.WriteNumber(output, fields.Number, value);
            }
            else
            {
                output.Write(fields.Raw);
            }
        }

        return output.WrittenSpan.ToArray();
    }
}
