using System.Buffers;

namespace Floe.Linux;

/// <summary>
/// Memory outside the garbage-collected heap, given back to the machine the moment its owner disposes it: mapped for itself, because malloc keeps
/// what is freed behind something that lives. The owner must have waited for all I/O on it before. Starts on a page, and with zeros; pages are taken
/// only where something is written.
/// </summary>
public sealed unsafe class NativeBuffer : MemoryManager<byte>
{
    private byte* _start;

    public NativeBuffer(int length)
    {
        Length = length;
        // SAFETY: a fresh mapping that belongs to this object until Dispose.
        var start = Interop.mmap(null, (nuint)Math.Max(length, 1), Interop.PROT_READ | Interop.PROT_WRITE, Interop.MAP_PRIVATE | Interop.MAP_ANONYMOUS, -1, 0);
        _start = start != Interop.MAP_FAILED ? (byte*)start : throw new OutOfMemoryException($"no memory for {length} bytes", LinuxException.Last("mmap"));
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
            // SAFETY: the mapping that the constructor made; nobody has a span of it any more.
            _ = Interop.munmap(_start, (nuint)Math.Max(Length, 1));
            _start = null;
        }
    }
}
