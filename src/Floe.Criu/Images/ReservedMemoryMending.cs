using System.Buffers;
using Google.Protobuf;

namespace Floe.Criu.Images;

/// <summary>
/// Mends how CRIU carries large mappings that cannot be written, in <c>mm-PID.img</c>, before it is stored.
/// <para>
/// Programs reserve address space that way: .NET 256 GiB for its heap. The kernel counts no memory for it. CRIU maps everything private with
/// PROT_WRITE at first (criu/mem.c, premap_private_vma), and for that the kernel wants the memory: "Unable to map ANON_VMA: Cannot
/// allocate memory". Mended: MAP_NORESERVE, with which nothing is counted, as before.
/// </para>
/// </summary>
internal static class ReservedMemoryMending
{
    private const uint Magic = 0x57492820;
    private const int VmasField = 14;
    private const int StartField = 1;
    private const int EndField = 2;
    private const int ProtectionField = 5;
    private const int FlagsField = 6;

    // bits/mman-linux.h
    private const ulong ProtWrite = 2;
    private const ulong MapPrivate = 2;
    private const ulong MapNoReserve = 0x4000;

    /// <summary>What is shorter the kernel grants anyway.</summary>
    private const ulong MinBytes = 64 << 20;

    public static bool IsFor(string image) => image.StartsWith("mm-", StringComparison.Ordinal);

    /// <summary>The image with every such mapping mended; the same array when there is nothing to mend.</summary>
    /// <exception cref="InvalidDataException">Not a <c>mm-PID.img</c>.</exception>
    public static byte[] Mend(string name, byte[] image) => ImageEditing.Records(name, Magic, image, static mm => ImageEditing.Messages(mm, VmasField, MendMapping));

    /// <summary>A vma_entry; null when it is right as it is.</summary>
    private static byte[]? MendMapping(ReadOnlySpan<byte> mapping)
    {
        Span<ulong> values = stackalloc ulong[FlagsField + 1];
        values.Clear();
        var fields = new ProtoFields(mapping);
        while (fields.Next())
        {
            if (fields.Number <= FlagsField && fields.Type == WireFormat.WireType.Varint)
            {
                values[fields.Number] = fields.Value;
            }
        }

        var flags = values[FlagsField];
        if (values[EndField] - values[StartField] < MinBytes || (values[ProtectionField] & ProtWrite) != 0 || (flags & MapPrivate) == 0 || (flags & MapNoReserve) != 0)
        {
            return null;
        }

        var output = new ArrayBufferWriter<byte>(mapping.Length + 8);
        fields = new ProtoFields(mapping);
        while (fields.Next())
        {
            if (fields.Number == FlagsField && fields.Type == WireFormat.WireType.Varint)
            {
                ImageEditing.WriteNumber(output, FlagsField, flags | MapNoReserve);
            }
            else
            {
                output.Write(fields.Raw);
            }
        }

        return output.WrittenSpan.ToArray();
    }
}
