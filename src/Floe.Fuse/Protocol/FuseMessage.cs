using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Fuse.Protocol;

/// <summary>A request's body, read from front to back. Everything that does not fit the message's length is EIO.</summary>
internal ref struct FuseMessage(ReadOnlySpan<byte> body)
{
    private ReadOnlySpan<byte> _rest = body;

    public readonly int Remaining => _rest.Length;

    public T Read<T>()
        where T : unmanaged
    {
        if (!MemoryMarshal.TryRead<T>(_rest, out var value))
        {
            throw new FuseException(Errno.EIO, $"a message of the kernel ends within {typeof(T).Name}");
        }

        _rest = _rest[Unsafe.SizeOf<T>()..];
        return value;
    }

    /// <summary>Like <see cref="Read"/> for a struct that grew: what an older kernel does not send is zero.</summary>
    public T ReadPrefix<T>(int leastBytes)
        where T : unmanaged
    {
        if (_rest.Length < leastBytes)
        {
            throw new FuseException(Errno.EIO, $"a message of the kernel ends within {typeof(T).Name}");
        }

        Span<T> value = [default];
        var bytes = MemoryMarshal.AsBytes(value);
        var present = Math.Min(bytes.Length, _rest.Length);
        _rest[..present].CopyTo(bytes);
        _rest = _rest[present..];
        return value[0];
    }

    /// <summary>A zero-terminated string without its zero; one name may hold no '/' and is at most <paramref name="maxBytes"/> long.</summary>
    public byte[] ReadString(int maxBytes)
    {
        var end = _rest.IndexOf((byte)0);
        if (end < 0)
        {
            throw new FuseException(Errno.EIO, "a name of the kernel has no end");
        }

        if (end > maxBytes)
        {
            throw new FuseException(Errno.ENAMETOOLONG, "a name is too long");
        }

        var text = _rest[..end].ToArray();
        _rest = _rest[(end + 1)..];
        return text;
    }

    /// <summary>The name of a directory's entry: 1 to 255 bytes without '/', not "." or "..".</summary>
    public byte[] ReadName()
    {
        var name = ReadString(255);
        return name.Length > 0 && !name.AsSpan().Contains((byte)'/') && !name.AsSpan().SequenceEqual("."u8) && !name.AsSpan().SequenceEqual(".."u8)
            ? name : throw new FuseException(Errno.EINVAL, "a name of the kernel is no name");
    }
}
