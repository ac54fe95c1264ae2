using System.Buffers;
using System.Runtime.InteropServices;

namespace Floe.Linux;

/// <summary>
/// Memory outside the garbage-collected heap, given back the moment its owner disposes it. The owner must have waited for all
/// I/O on it before. Pages are touched only where something is written.
/// </summary>
public sealed unsafe class NativeBuffer : MemoryManager<byte>
{
    private byte* _start;

    public NativeBuffer(int length)
    {
        Length = length;
        // SAFETY: AlignedAlloc throws when there is no memory; the block belongs to this object until Dispose.
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
    }

    public int Length { get; }

    public Span<byte> Span
    {
        get
        {
            ObjectDisposedException.ThrowIf(_start == null, this);
            // SAFETY: _start addresses Length bytes while it is not null.
            return new Span<byte>(_start, Length);
        }
    }

    public override Span<byte> GetSpan() => Span;

    public override MemoryHandle Pin(int elementIndex = 0)
    {
        ObjectDisposedException.ThrowIf(_start == null, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)elementIndex, (uint)Length);
        return new MemoryHandle(_start + elementIndex, default, this);
    }

    public override void Unpin()
    {
    }

    protected override void Dispose(bool disposing)
    {
        if (_start != null)
        {
            NativeMemory.AlignedFree(_start);
            _start = null;
        }
    }
}
