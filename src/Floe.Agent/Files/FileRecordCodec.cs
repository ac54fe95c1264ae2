namespace Floe.Agent.Files;

/// <summary>The records of files/list as bytes: docs/format-files.md. Reading bounds every number, because the list comes from a store.</summary>
internal static class FileRecordCodec
{
    /// <summary>"FLFL" read as a little-endian number.</summary>
    public const uint Magic = 0x4C464C46;
    public const uint Version = 2;

    /// <summary>The claim of a file stands in the upper bits of the kind; version 1 had none.</summary>
    private const int ClaimShift = 6;

    /// <summary>XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h.</summary>
    public const int MaxAttributeBytes = 64 * 1024;

    public const int MaxAttributes = 4096;

    public static void WriteHeader(RecordWriter writer)
    {
        writer.UInt32(Magic);
        writer.UInt32(Version);
    }

    public static void Write(RecordWriter writer, FileRecord record)
    {
        writer.Byte((byte)((int)record.Kind | ((int)record.Claim << ClaimShift)));
        writer.Path(record.Path);
        if (record.HasMetadata)
        {
            writer.Number(record.Mode);
            writer.Number(record.Uid);
            writer.Number(record.Gid);
            WriteTime(writer, record.Modified);
            WriteTime(writer, record.Accessed);
            if (record.Attributes.Count > MaxAttributes)
            {
                throw ExtendedAttributes.TooMany(record.Path);
            }

            writer.Number((ulong)record.Attributes.Count);
            foreach (var attribute in record.Attributes)
            {
                writer.Bytes(attribute.Name);
                writer.Bytes(attribute.Value);
            }
        }

        switch (record.Kind)
        {
            case FileRecordKind.Regular:
                writer.Number((ulong)record.ByteCount);
                writer.Number((ulong)record.ContentStream);
                writer.Number((ulong)record.ContentOffset);
                break;
            case FileRecordKind.SymbolicLink or FileRecordKind.HardLink:
                writer.Bytes(record.Target);
                break;
            case FileRecordKind.CharacterDevice or FileRecordKind.BlockDevice:
                writer.Number(record.DeviceMajor);
                writer.Number(record.DeviceMinor);
                break;
        }
    }

    public static void WriteEnd(RecordWriter writer, long recordCount)
    {
        writer.Byte((byte)FileRecordKind.End);
        writer.Number((ulong)recordCount);
    }

    public static void ReadHeader(RecordReader reader)
    {
        if (reader.UInt32() != Magic)
        {
            throw reader.Damaged("it does not start like one");
        }

        if (reader.UInt32() is var version && version is 0 or > Version)
        {
            throw new FileStateException($"the snapshot's file list has version {version}, this program reads up to {Version}: use the Floe that wrote it");
        }
    }

    /// <returns>Null at the end, which must say that <paramref name="recordsRead"/> records came before.</returns>
    public static FileRecord? Read(RecordReader reader, long recordsRead)
    {
        var first = reader.Byte();
        var kind = (FileRecordKind)(first & ((1 << ClaimShift) - 1));
        var claim = (FileClaim)(first >> ClaimShift);
        if (kind == FileRecordKind.End)
        {
            return reader.Number() == (ulong)recordsRead && reader.AtEnd() ? null : throw reader.Damaged("records are missing");
        }

        if (kind > FileRecordKind.Socket || claim > FileClaim.Held || (claim != FileClaim.None && kind != FileRecordKind.Regular))
        {
            throw reader.Damaged($"a record has the unknown kind {first}");
        }

        reader.Path();
        var record = new FileRecord { Kind = kind, Path = reader.CurrentPath.ToArray() };
        if (!KernelPath.IsValid(record.Path))
        {
            throw reader.Damaged($"the path {KernelPath.Display(record.Path)} cannot exist");
        }

        if (record.HasMetadata)
        {
            record = record with
            {
                Mode = (uint)reader.Number(0xFFF, "a mode"),
                Uid = (uint)reader.Number(uint.MaxValue, "an owner"),
                Gid = (uint)reader.Number(uint.MaxValue, "a group"),
                Modified = ReadTime(reader),
                Accessed = ReadTime(reader),
                Attributes = ReadAttributes(reader),
            };
        }

        return kind switch
        {
            FileRecordKind.Regular => record with
            {
                Claim = claim,
                ByteCount = (long)reader.Number(long.MaxValue, "a file's length"),
                ContentStream = (int)reader.Number(FileStreams.MaxContentStreams - 1, "a content stream"),
                ContentOffset = (long)reader.Number(long.MaxValue, "a content offset"),
            },
            FileRecordKind.SymbolicLink or FileRecordKind.HardLink => record with { Target = ReadTarget(reader, kind) },
            FileRecordKind.CharacterDevice or FileRecordKind.BlockDevice => record with
            {
                DeviceMajor = (uint)reader.Number(uint.MaxValue, "a device number"),
                DeviceMinor = (uint)reader.Number(uint.MaxValue, "a device number"),
            },
            _ => record,
        };
    }

    private static byte[] ReadTarget(RecordReader reader, FileRecordKind kind)
    {
        var target = reader.Bytes(KernelPath.MaxPathBytes, "a link's target");
        var valid = kind == FileRecordKind.HardLink ? KernelPath.IsValid(target) : target.Length > 0 && !target.Contains((byte)0);
        return valid ? target : throw reader.Damaged($"the link target {KernelPath.Display(target)} cannot exist");
    }

    private static List<FileAttribute> ReadAttributes(RecordReader reader)
    {
        var count = (int)reader.Number(MaxAttributes, "a number of extended attributes");
        var attributes = new List<FileAttribute>(count);
        for (var i = 0; i < count; i++)
        {
            var name = reader.Bytes(KernelPath.MaxNameBytes, "an attribute's name");
            if (name.Length == 0 || name.Contains((byte)0))
            {
                throw reader.Damaged("an extended attribute has no valid name");
            }

            attributes.Add(new FileAttribute(name, reader.Bytes(MaxAttributeBytes, "an attribute's value")));
        }

        return attributes;
    }

    private static void WriteTime(RecordWriter writer, FileTime time)
    {
        writer.Signed(time.Seconds);
        writer.Number(time.Nanoseconds);
    }

    private static FileTime ReadTime(RecordReader reader) =>
        new(reader.Signed(), (uint)reader.Number(999_999_999, "a time"));
}
