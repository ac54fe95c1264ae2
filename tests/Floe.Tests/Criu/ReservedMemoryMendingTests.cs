using System.Buffers.Binary;
using Floe.Criu.Images;
using Google.Protobuf;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class ReservedMemoryMendingTests
{
    private const string Name = "mm-1000.img";
    private const uint Private = 0x22;
    private const uint NoReserve = 0x4000;

    [Fact]
    public void Mend_LargePrivateMappingsThatCannotBeWritten_AreNotCounted()
    {
        var before = Image((1L << 40, 0, Private), (1L << 40, 1, 0x2));
        var after = ReservedMemoryMending.Mend(Name, before);
        Assert.Equal(Image((1L << 40, 0, Private | NoReserve), (1L << 40, 1, 0x2 | NoReserve)), after);
        Assert.Same(after, ReservedMemoryMending.Mend(Name, after));
    }

    [Fact]
    public void Mend_SmallWritableSharedAndMendedMappings_StayAsTheyAre()
    {
        var image = Image((1 << 20, 0, Private), (1L << 40, 3, Private), (1L << 40, 1, 0x1), (1L << 40, 0, Private | NoReserve));
        Assert.Same(image, ReservedMemoryMending.Mend(Name, image));
    }

    [Fact]
    public void Mend_NoMemoryImage_IsRefused() => Assert.Throws<InvalidDataException>(() => ReservedMemoryMending.Mend(Name, [1, 2, 3, 4, 5, 6, 7, 8]));

    /// <summary>An mm_entry with its first field, the mappings, and a field that this program does not know.</summary>
    private static byte[] Image(params (long Bytes, uint Protection, uint Flags)[] mappings)
    {
        using var record = new MemoryStream();
        using (var output = new CodedOutputStream(record, leaveOpen: true))
        {
            Number(output, 1, 0x400000);
            ulong start = 0x7F0000000000;
            foreach (var (bytes, protection, flags) in mappings)
            {
                using var mapping = new MemoryStream();
                using (var fields = new CodedOutputStream(mapping, leaveOpen: true))
                {
                    Number(fields, 1, start);
                    Number(fields, 2, start + (ulong)bytes);
                    Number(fields, 5, protection);
                    Number(fields, 6, flags);
                    Number(fields, 7, 0x201);
                }

                output.WriteTag(14, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(mapping.ToArray()));
                start += (ulong)bytes;
            }

            Number(output, 99, 7);
        }

        var image = new byte[12 + record.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(image, ImageRecords.CommonMagic);
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(4), 0x57492820);
        BinaryPrimitives.WriteInt32LittleEndian(image.AsSpan(8), (int)record.Length);
        record.ToArray().CopyTo(image, 12);
        return image;
    }

    private static void Number(CodedOutputStream output, int field, ulong value)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteUInt64(value);
    }
}
