using System.Buffers.Binary;
using System.Text;

namespace Floe.Store.Coding;

/// <summary>
/// Reads what <see cref="ByteWriter"/> writes, from bytes that may be anything: every read is bounds-checked, and a breach is an
/// <see cref="InvalidDataException"/> that the caller turns into a message naming the object.
/// </summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private static readonly UTF8Encoding s_strictUtf8 = new(false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = bytes;

    public readonly int Remaining => _rest.Length;

    public ulong Varint()
    {
        ulong value = 0;
        for (var shift = 0; ; shift += 7)
        {
            var next = Byte();
            if (shift == 63 && next > 1)
            {
                throw new InvalidDataException("an integer is too large");
            }

            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }
    }

    /// <summary>An integer from 0 to <paramref name="max"/>.</summary>
    public long Varint(long max, string what)
    {
        var value = Varint();
        return value <= (ulong)max ? (long)value : throw new InvalidDataException($"{what} is {value}, at most {max} can be");
    }

    public long Zigzag()
    {
        var value = Varint();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public byte Byte() => Bytes(1)[0];

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Bytes(4));

    public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Bytes(8));

    public UInt128 Hash() => BinaryPrimitives.ReadUInt128BigEndian(Bytes(16));

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if ((uint)count > (uint)_rest.Length)
        {
            throw new InvalidDataException($"{count} bytes expected, {_rest.Length} left");
        }

        var taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    public string Text(int maxBytes, string what)
    {
        var bytes = Bytes((int)Varint(maxBytes, what));
        try
        {
            return s_strictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new InvalidDataException($"{what} is not UTF-8");
        }
    }

    public readonly void End()
    {
        if (!_rest.IsEmpty)
        {
            throw new InvalidDataException($"{_rest.Length} bytes too many");
        }
    }
}
