using System.Buffers.Binary;
using Google.Protobuf;

namespace Floe.Criu.Images;

/// <summary>
/// Walks the fields of one protobuf message without generated code, and keeps each field's place, so that an editor can copy
/// the others byte for byte. (CodedInputStream gives no positions in a message that is being read from a span.)
/// </summary>
internal ref struct ProtoFields(ReadOnlySpan<byte> message)
{
    private readonly ReadOnlySpan<byte> _message = message;
    private int _position;

    public int Number { get; private set; }

    public WireFormat.WireType Type { get; private set; }

    /// <summary>Of a varint or fixed field; 0 for a length-delimited one.</summary>
    public ulong Value { get; private set; }

    /// <summary>Of a length-delimited field.</summary>
    public ReadOnlySpan<byte> Bytes { get; private set; }

    /// <summary>The field with its tag, as it stands in the message.</summary>
    public ReadOnlySpan<byte> Raw { get; private set; }

    /// <exception cref="InvalidDataException">Not a protobuf message.</exception>
    public bool Next()
    {
        if (_position == _message.Length)
        {
            return false;
        }

        var start = _position;
        var tag = Varint();
        Number = (int)(tag >> 3);
        Type = (WireFormat.WireType)(tag & 7);
        if (tag > uint.MaxValue || Number == 0)
        {
            throw Broken();
        }

        Value = 0;
        Bytes = default;
        switch (Type)
        {
            case WireFormat.WireType.Varint:
                Value = Varint();
                break;
            case WireFormat.WireType.Fixed64:
                Value = BinaryPrimitives.ReadUInt64LittleEndian(Take(8));
                break;
            case WireFormat.WireType.Fixed32:
                Value = BinaryPrimitives.ReadUInt32LittleEndian(Take(4));
                break;
            case WireFormat.WireType.LengthDelimited:
                Bytes = Take(Varint());
                break;
            default:
                throw Broken(); // proto2 groups: CRIU has none
        }

        Raw = _message[start.._position];
        return true;
    }

    /// <summary>The values of a repeated numeric field in this occurrence: one, or several when packed.</summary>
    public readonly void AddNumbers(List<ulong> target)
    {
        if (Type != WireFormat.WireType.LengthDelimited)
        {
            target.Add(Value);
            return;
        }

        var packed = new ProtoFields(Bytes);
        while (packed._position < packed._message.Length)
        {
            target.Add(packed.Varint());
        }
    }

    private ReadOnlySpan<byte> Take(ulong length)
    {
        if (length > (ulong)(_message.Length - _position))
        {
            throw Broken();
        }

        var bytes = _message.Slice(_position, (int)length);
        _position += (int)length;
        return bytes;
    }

    private ulong Varint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = Take(1)[0];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
            {
                return value;
            }
        }

        throw Broken();
    }

    private static InvalidDataException Broken() => new("not a protobuf message");
}
