using System.Runtime.InteropServices;

namespace Floe.Linux.Processes;

/// <summary>Zero-terminated copies in native memory, freed together.</summary>
internal sealed unsafe class NativeStrings : IDisposable
{
    private readonly List<nint> _allocated = [];

    /// <exception cref="ArgumentException">The bytes hold a zero, which would cut them short.</exception>
    public byte* Add(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Contains((byte)0))
        {
            throw new ArgumentException("a zero byte cannot be passed to the kernel");
        }

        var copy = (byte*)Allocate((nuint)bytes.Length + 1);
        bytes.CopyTo(new Span<byte>(copy, bytes.Length));
        copy[bytes.Length] = 0;
        return copy;
    }

    public byte** AddArray(IReadOnlyList<byte[]> items)
    {
        var array = (byte**)Allocate((nuint)(items.Count + 1) * (nuint)sizeof(byte*));
        for (var i = 0; i < items.Count; i++)
        {
            array[i] = Add(items[i]);
        }

        array[items.Count] = null;
        return array;
    }

    public void Dispose()
    {
        foreach (var block in _allocated)
        {
            NativeMemory.Free((void*)block);
        }

        _allocated.Clear();
    }

    private void* Allocate(nuint bytes)
    {
        var block = NativeMemory.Alloc(bytes);
        _allocated.Add((nint)block);
        return block;
    }
}
