using System.Buffers;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse.Serving;

/// <summary>
/// A piece of native memory that system calls fill and that managed code sees as <see cref="Memory{T}"/>; back in the pool by <see cref="Return"/>.
/// Mapped for itself: pages are taken only where something is written, and can be given back.
/// </summary>
internal sealed unsafe class RequestBuffer : MemoryManager<byte>
{
    private readonly RequestBufferPool _pool;

    /// <param name="length">Whole pages.</param>
    public RequestBuffer(RequestBufferPool pool, int length)
    {
        _pool = pool;
        Length = length;
        // SAFETY: a fresh mapping that belongs to this object until Free.
        var start = Interop.mmap(null, (nuint)length, Interop.PROT_READ | Interop.PROT_WRITE, Interop.MAP_PRIVATE | Interop.MAP_ANONYMOUS, -1, 0);
        Pointer = start != Interop.MAP_FAILED ? (byte*)start : throw new OutOfMemoryException($"no memory for {length} bytes", LinuxException.Last("mmap"));
        // A huge page would take memory where nothing is written.
        _ = Interop.madvise(start, (nuint)length, Interop.MADV_NOHUGEPAGE);
    }

    public byte* Pointer { get; private set; }

    public int Length { get; }

    /// <summary>Bytes that count as held by a request that waits (<see cref="RequestBufferPool.Hold"/>); null: nobody waits with it.</summary>
    public int? Held { get; set; }

    /// <summary>Where its bytes lie in the file that stands in for memory. It is of no further use then.</summary>
    public int? SpillSlot { get; set; }

    public override Span<byte> GetSpan() => new(Pointer, Length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(Pointer + elementIndex);

    public override void Unpin()
    {
    }

    public void Return() => _pool.Return(this);

    /// <summary>Gives back the memory behind the first bytes (whole pages).</summary>
    // SAFETY: within this object's mapping, and behind all that anybody has been given of it.
    public void Trim(int bytes) => _ = Interop.madvise(Pointer + bytes, (nuint)(Length - bytes), Interop.MADV_DONTNEED);

    /// <summary>
    /// Puts a file's range that holds the same in the place of the first bytes (whole pages), which cannot be written any more, and gives back all memory.
    /// Whoever reads them meanwhile notices nothing.
    /// </summary>
    public bool TryReplace(SafeFileHandle file, long offset, int bytes)
    {
        // SAFETY: within this object's mapping; the kernel replaces it in one step. The file is kept as long as this object has the range.
        if (Interop.mmap(Pointer, (nuint)bytes, Interop.PROT_READ, Interop.MAP_SHARED | Interop.MAP_FIXED, (int)file.DangerousGetHandle(), offset) == Interop.MAP_FAILED)
        {
            return false;
        }

        Trim(bytes);
        return true;
    }

    public void Free()
    {
        // SAFETY: the mapping of the constructor, or what took its place; nobody has a span of it any more.
        _ = Interop.munmap(Pointer, (nuint)Length);
        Pointer = null;
    }

    protected override void Dispose(bool disposing)
    {
    }
}
