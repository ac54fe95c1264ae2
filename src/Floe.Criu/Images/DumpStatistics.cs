namespace Floe.Criu.Images;

/// <summary>What CRIU measured of a dump (<c>stats-dump</c>, images/stats.proto); it lies in the work folder, outside the stream.</summary>
internal static class DumpStatistics
{
    public const string Name = "stats-dump";
    private const uint Magic = 0x57093306;
    private const int DumpField = 1;
    private const int FrozenMicrosField = 2;

    /// <summary>How long the tree stood still, the time inside the callback included.</summary>
    /// <exception cref="InvalidDataException">Not such a file.</exception>
    public static TimeSpan Frozen(ReadOnlySpan<byte> file)
    {
        TimeSpan? frozen = null;
        var records = new ImageRecords(Name, Magic, 1 << 16, ImageRecords.ServiceMagic);
        records.Feed(file, record =>
        {
            var fields = new ProtoFields(record.Span);
            while (fields.Next())
            {
                if (fields.Number != DumpField)
                {
                    continue;
                }

                var dump = new ProtoFields(fields.Bytes);
                while (dump.Next())
                {
                    frozen = dump.Number == FrozenMicrosField ? TimeSpan.FromMicroseconds(dump.Value) : frozen;
                }
            }
        });
        records.End();
        return frozen ?? throw new InvalidDataException($"{Name}: no time");
    }
}
