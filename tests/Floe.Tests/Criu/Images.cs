using System.Buffers.Binary;
using Google.Protobuf;

namespace Floe.Tests.Criu;

/// <summary>Makes CRIU images out of fields.</summary>
internal static class Images
{
    public const uint Common = 0x54564319;
    public const uint Pagemap = 0x56084025;
    public const uint Pstree = 0x50273030;
    public const uint Files = 0x56303138;

    public static byte[] Of(uint magic, params byte[][] records)
    {
        var image = new MemoryStream();
        Span<byte> number = stackalloc byte[4];
        foreach (var value in new[] { Common, magic })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(number, value);
            image.Write(number);
        }

        foreach (var record in records)
        {
            BinaryPrimitives.WriteInt32LittleEndian(number, record.Length);
            image.Write(number);
            image.Write(record);
        }

        return image.ToArray();
    }

    /// <summary>A message of varint fields.</summary>
    public static byte[] Message(params (int Number, ulong Value)[] fields)
    {
        var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            foreach (var (number, value) in fields)
            {
                output.WriteTag(number, WireFormat.WireType.Varint);
                output.WriteUInt64(value);
            }
        }

        return stream.ToArray();
    }

    /// <summary>A length-delimited field, to be appended to a message.</summary>
    public static byte[] Nested(int number, byte[] content)
    {
        var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            output.WriteTag(number, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(content));
        }

        return stream.ToArray();
    }

    public static byte[] PagemapImage(uint pagesId, params (ulong Address, ulong Pages)[] runs) =>
        Of(Pagemap, [Message((1, pagesId)), .. runs.Select(r => Message((1, r.Address), (2, 0), (4, 4), (5, r.Pages)))]);

    public static byte[] PstreeImage(params int[] pids) =>
        Of(Pstree, [.. pids.Select(pid => Message((1, (ulong)pid), (2, 0), (3, (ulong)pid), (4, (ulong)pid), (5, (ulong)pid)))]);
}
