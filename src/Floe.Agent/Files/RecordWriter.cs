using System.Buffers.Binary;

namespace Floe.Agent.Files;

/// <summary>Writes the primitives of the baseline and of files/list: LEB128 numbers, bytes with their length, paths cut by what they share with the one before.</summary>
internal sealed class RecordWriter(Stream output) : IDisposable
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _used;
    private byte[] _previousPath = new byte[4096];
    private int _previousLength;

    public void Byte(byte value)
    {
        Reserve(1);
        _buffer[_used++] = value;
    }

    /// <summary>Unsigned LEB128.</summary>
    public void Number(ulong value)
    {
        Reserve(10);
        while (value >= 0x80)
        {
            _buffer[_used++] = (byte)(value | 0x80);
            value >>= 7;
        }

        _buffer[_used++] = (byte)value;
    }

    /// <summary>Zigzag, then LEB128.</summary>
    public void Signed(long value) => Number(((ulong)value << 1) ^ (ulong)(value >> 63));

    public void UInt32(uint value)
    {
        Reserve(4);
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.AsSpan(_used), value);
        _used += 4;
    }

    public void Raw(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            Reserve(1);
            var part = Math.Min(bytes.Length, _buffer.Length - _used);
            bytes[..part].CopyTo(_buffer.AsSpan(_used));
            _used += part;
            bytes = bytes[part..];
        }
    }

    public void Bytes(ReadOnlySpan<byte> bytes)
    {
        Number((ulong)bytes.Length);
        Raw(bytes);
    }

    public void Path(ReadOnlySpan<byte> path)
    {
        var shared = path.CommonPrefixLength(_previousPath.AsSpan(0, _previousLength));
        Number((ulong)shared);
        Bytes(path[shared..]);
        if (path.Length > _previousPath.Length)
        {
            Array.Resize(ref _previousPath, path.Length * 2);
        }

        path[shared..].CopyTo(_previousPath.AsSpan(shared));
        _previousLength = path.Length;
    }

    public void Flush()
    {
        output.Write(_buffer, 0, _used);
        _used = 0;
        output.Flush();
    }

    /// <summary>Does not flush: a file that was not finished must not look finished.</summary>
    public void Dispose() => output.Dispose();

    private void Reserve(int byteCount)
    {
        if (_buffer.Length - _used < byteCount)
        {
            output.Write(_buffer, 0, _used);
            _used = 0;
        }
    }
}
