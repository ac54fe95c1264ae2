using System.Buffers;
using System.Runtime.InteropServices;

namespace Floe.Fuse.Serving;

/// <summary>A piece of native memory that system calls fill and that managed code sees as <see cref="Memory{T}"/>. Returned by disposal.</summary>
internal sealed unsafe class RequestBuffer : MemoryManager<byte>
{
    private readonly RequestBufferPool _pool;

    public RequestBuffer(RequestBufferPool pool, int length)
    {
        _pool = pool;
        Length = length;
        Pointer = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
    }

    public byte* Pointer { get; private set; }

    public int Length { get; }

    public override Span<byte> GetSpan() => new(Pointer, Length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(Pointer + elementIndex);

    public override void Unpin()
    {
    }

    public void Return() => _pool.Return(this);

    public void Free()
    {
        NativeMemory.AlignedFree(Pointer);
        Pointer = null;
    }

    protected override void Dispose(bool disposing)
    {
    }
}
