using Floe.Criu.Dump;

namespace Floe.Criu.Images;

/// <summary>Parses <c>pstree.img</c> (images/pstree.proto): the processes of the tree, the root first.</summary>
internal static class PstreeImage
{
    public const string Name = "pstree.img";
    private const uint Magic = 0x50273030;
    private const int MaxRecordBytes = 32 << 20; // PID_MAX_LIMIT threads of at most 6 bytes each

    /// <exception cref="InvalidDataException">Not a process tree.</exception>
    public static IReadOnlyList<FrozenProcess> Parse(ReadOnlySpan<byte> image)
    {
        var processes = new List<FrozenProcess>();
        var records = new ImageRecords(Name, Magic, MaxRecordBytes);
        records.Feed(image, record => processes.Add(Process(record.Span)));
        records.End();
        return processes.Count > 0 ? processes : throw new InvalidDataException($"{Name}: no process");
    }

    private static FrozenProcess Process(ReadOnlySpan<byte> record)
    {
        var numbers = new int[5];
        var threads = new List<ulong>();
        var fields = new ProtoFields(record);
        while (fields.Next())
        {
            if (fields.Number is >= 1 and <= 4)
            {
                numbers[fields.Number] = Pid(fields.Value);
            }
            else if (fields.Number == 5)
            {
                fields.AddNumbers(threads);
            }
        }

        if (numbers[1] == 0)
        {
            throw new InvalidDataException($"{Name}: a process without pid");
        }

        // The leader comes first, but for a zombie CRIU writes memory there that it never set (criu/pstree.c, dump_pstree) and
        // skips it when it reads the image: the leader's id is the process's own.
        return new FrozenProcess(numbers[1], numbers[2], numbers[3], numbers[4], [numbers[1], .. threads.Skip(1).Select(Pid)]);
    }

    private static int Pid(ulong value) => value <= int.MaxValue ? (int)value : throw new InvalidDataException($"{Name}: pid {value}");
}
