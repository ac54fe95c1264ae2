using System.Buffers.Binary;

namespace Floe.Criu.Images;

/// <summary>
/// The records of a CRIU image: two u32 magic numbers, then u32 length and protobuf message, again and again. Fed with
/// pieces of any size; holds at most one record.
/// </summary>
internal sealed class ImageRecords(string name, uint magic, int maxRecordBytes, uint firstMagic = ImageRecords.CommonMagic)
{
    /// <summary>IMG_COMMON_MAGIC of criu/include/magic.h, first in every image but the inventory.</summary>
    public const uint CommonMagic = 0x54564319;

    /// <summary>IMG_SERVICE_MAGIC, first in the statistics.</summary>
    public const uint ServiceMagic = 0x55105940;

    private byte[] _buffer = new byte[256];
    private int _start;
    private int _end;
    private bool _headerSeen;

    /// <summary>Takes the next bytes and hands every record that is whole now to <paramref name="record"/>.</summary>
    /// <exception cref="InvalidDataException">Not such an image.</exception>
    public void Feed(ReadOnlySpan<byte> data, Action<ReadOnlyMemory<byte>> record)
    {
        while (!data.IsEmpty)
        {
            var take = Math.Min(data.Length, Math.Max(256, _buffer.Length - _end));
            Append(data[..take]);
            data = data[take..];
            Drain(record);
        }
    }

    /// <summary>To be called at the end of the image.</summary>
    /// <exception cref="InvalidDataException">The image ends inside a record or before its header's end.</exception>
    public void End()
    {
        if (!_headerSeen || _start != _end)
        {
            throw new InvalidDataException($"{name}: ends inside a record");
        }
    }

    private void Drain(Action<ReadOnlyMemory<byte>> record)
    {
        if (!_headerSeen)
        {
            if (_end - _start < 8)
            {
                return;
            }

            var header = _buffer.AsSpan(_start);
            if (BinaryPrimitives.ReadUInt32LittleEndian(header) != firstMagic || BinaryPrimitives.ReadUInt32LittleEndian(header[4..]) != magic)
            {
                throw new InvalidDataException($"{name}: wrong magic number");
            }

            _headerSeen = true;
            _start += 8;
        }

        while (_end - _start >= 4)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(_start));
            if (length > maxRecordBytes)
            {
                throw new InvalidDataException($"{name}: a record of {length} bytes, more than {maxRecordBytes}");
            }

            if (_end - _start - 4 < (int)length)
            {
                return;
            }

            record(_buffer.AsMemory(_start + 4, (int)length));
            _start += 4 + (int)length;
        }
    }

    private void Append(ReadOnlySpan<byte> data)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_buffer.Length - _end < data.Length)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, _end + data.Length));
        }

        data.CopyTo(_buffer.AsSpan(_end));
        _end += data.Length;
    }
}
