using System.Buffers;
using System.Buffers.Binary;
using Google.Protobuf;

namespace Floe.Criu.Images;

/// <summary>Changes fields of an image's records and leaves every other byte as CRIU wrote it.</summary>
internal static class ImageEditing
{
    /// <returns>The message with the change; null when there is nothing to change.</returns>
    public delegate byte[]? Edit(ReadOnlySpan<byte> message);

    /// <summary>The image with every record edited; the same array when none changed.</summary>
    /// <exception cref="InvalidDataException">Not an image of this kind.</exception>
    public static byte[] Records(string name, uint magic, byte[] image, Edit edit)
    {
        ReadOnlySpan<byte> rest = image;
        if (image.Length < 8 || BinaryPrimitives.ReadUInt32LittleEndian(rest) != ImageRecords.CommonMagic || BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]) != magic)
        {
            throw new InvalidDataException($"{name}: wrong magic number");
        }

        var output = new ArrayBufferWriter<byte>(image.Length + 64);
        output.Write(rest[..8]);
        rest = rest[8..];
        var changed = false;
        while (!rest.IsEmpty)
        {
            if (rest.Length < 4 || BinaryPrimitives.ReadUInt32LittleEndian(rest) > (uint)(rest.Length - 4))
            {
                throw new InvalidDataException($"{name}: ends inside a record");
            }

            var length = (int)BinaryPrimitives.ReadUInt32LittleEndian(rest);
            var edited = edit(rest.Slice(4, length));
            changed |= edited is not null;
            var record = edited ?? rest.Slice(4, length);
            BinaryPrimitives.WriteInt32LittleEndian(output.GetSpan(4), record.Length);
            output.Advance(4);
            output.Write(record);
            rest = rest[(4 + length)..];
        }

        return changed ? output.WrittenSpan.ToArray() : image;
    }

    /// <summary>The message with the messages in one of its fields edited; null when none changed.</summary>
    public static byte[]? Messages(ReadOnlySpan<byte> message, int field, Edit edit)
    {
        var output = new ArrayBufferWriter<byte>(message.Length + 16);
        var changed = false;
        var fields = new ProtoFields(message);
        while (fields.Next())
        {
            if (fields.Number == field && edit(fields.Bytes) is { } edited)
            {
                changed = true;
                WriteVarint(output, ((uint)field << 3) | (uint)WireFormat.WireType.LengthDelimited);
                WriteVarint(output, (ulong)edited.Length);
                output.Write(edited);
            }
            else
            {
                output.Write(fields.Raw);
            }
        }

        return changed ? output.WrittenSpan.ToArray() : null;
    }

    public static void WriteNumber(ArrayBufferWriter<byte> output, int field, ulong value)
    {
        WriteVarint(output, ((uint)field << 3) | (uint)WireFormat.WireType.Varint);
        WriteVarint(output, value);
    }

    private static void WriteVarint(ArrayBufferWriter<byte> output, ulong value)
    {
        var span = output.GetSpan(10);
        var length = 0;
        while (value >= 0x80)
        {
            span[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        span[length++] = (byte)value;
        output.Advance(length);
    }
}
