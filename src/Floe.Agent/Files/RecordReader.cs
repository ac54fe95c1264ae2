using System.Buffers.Binary;

namespace Floe.Agent.Files;

/// <summary>Reads what <see cref="RecordWriter"/> wrote; the bytes may come from a hostile store. <paramref name="what"/> names the input in messages.</summary>
/// <param name="isSnapshots">Whether the input is part of a snapshot, which no machine can put back if it is damaged.</param>
internal sealed class RecordReader(Stream input, string what, bool isSnapshots) : IDisposable
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _position;
    private int _filled;
    private byte[] _path = new byte[4096];
    private int _pathLength;

    /// <summary>The path read last. Borrowed: valid until the next one is read.</summary>
    public ReadOnlySpan<byte> CurrentPath => _path.AsSpan(0, _pathLength);

    public byte Byte()
    {
        if (_position == _filled)
        {
            _position = 0;
            _filled = input.Read(_buffer, 0, _buffer.Length);
            if (_filled == 0)
            {
                throw Damaged("it ends too early");
            }
        }

        return _buffer[_position++];
    }

    public ulong Number()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var part = Byte();
            if (shift == 63 && part > 1)
            {
                break;
            }

            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80)
            {
                return value;
            }
        }

        throw Damaged("a number is too large");
    }

    /// <exception cref="FileStateException">The number is larger than <paramref name="max"/>.</exception>
    public ulong Number(ulong max, string name)
    {
        var value = Number();
        return value <= max ? value : throw Damaged($"{name} {value} is out of range");
    }

    public long Signed()
    {
        var value = Number();
        return (long)(value >> 1) ^ -(long)(value & 1);
    }

    public uint UInt32()
    {
        Span<byte> bytes = stackalloc byte[4];
        Raw(bytes);
        return BinaryPrimitives.ReadUInt32LittleEndian(bytes);
    }

    public void Raw(Span<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes[0] = Byte();
            var part = Math.Min(bytes.Length - 1, _filled - _position);
            _buffer.AsSpan(_position, part).CopyTo(bytes[1..]);
            _position += part;
            bytes = bytes[(part + 1)..];
        }
    }

    public byte[] Bytes(int maxBytes, string name)
    {
        var bytes = new byte[(int)Number((ulong)maxBytes, $"the length of {name}")];
        Raw(bytes);
        return bytes;
    }

    /// <summary>Reads into <see cref="CurrentPath"/>.</summary>
    public void Path()
    {
        var shared = (int)Number((ulong)_pathLength, "a shared path length");
        var added = (int)Number((ulong)(KernelPath.MaxPathBytes - shared), "a path length");
        if (shared + added > _path.Length)
        {
            Array.Resize(ref _path, (shared + added) * 2);
        }

        Raw(_path.AsSpan(shared, added));
        _pathLength = shared + added;
    }

    public bool AtEnd()
    {
        if (_position < _filled)
        {
            return false;
        }

        _position = 0;
        _filled = input.Read(_buffer, 0, _buffer.Length);
        return _filled == 0;
    }

    public FileStateException Damaged(string reason) => new($"{what} is damaged: {reason}") { IsDamage = isSnapshots };

    public void Dispose() => input.Dispose();
}
