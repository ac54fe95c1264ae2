using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Floe.Store.Coding;

/// <summary>Appends the format's primitives to a growing buffer: unsigned LEB128 integers, little-endian words, length-prefixed UTF-8.</summary>
internal sealed class ByteWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();

    public int Length => _buffer.WrittenCount;

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public void Clear() => _buffer.ResetWrittenCount();

    public void Varint(ulong value)
    {
        var span = _buffer.GetSpan(10);
        var length = 0;
        while (value >= 0x80)
        {
            span[length++] = (byte)(value | 0x80);
            value >>= 7;
        }

        span[length++] = (byte)value;
        _buffer.Advance(length);
    }

    public void Varint(long value) => Varint(checked((ulong)value));

    /// <summary>A signed integer, small in either direction: zigzag, then LEB128.</summary>
    public void Zigzag(long value) => Varint((ulong)((value << 1) ^ (value >> 63)));

    public void Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
    }

    public void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
    }

    public void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
    }

    /// <summary>A block hash: 16 bytes, big-endian, XxHash128's canonical form.</summary>
    public void Hash(UInt128 value)
    {
        BinaryPrimitives.WriteUInt128BigEndian(_buffer.GetSpan(16), value);
        _buffer.Advance(16);
    }

    public void Bytes(ReadOnlySpan<byte> bytes) => _buffer.Write(bytes);

    public void Text(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        Varint(length);
        Encoding.UTF8.GetBytes(text, _buffer.GetSpan(Math.Max(1, length)));
        _buffer.Advance(length);
    }
}
