using System.Buffers;
using System.Runtime.InteropServices;

namespace Floe.Bench;

/// <summary>Memory outside the garbage collector's heap, longer than an array may be; filled with bytes that do not compress.</summary>
internal sealed unsafe class NativeBlock : IDisposable
{
    private readonly byte* _start;
    private readonly long _length;

    public NativeBlock(long length)
    {
        _length = length;
        _start = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
        var random = new Random(20261);
        for (long offset = 0; offset < length; offset += 1 << 20)
        {
            random.NextBytes(new Span<byte>(_start + offset, (int)Math.Min(1 << 20, length - offset)));
        }
    }

    /// <summary>
    /// Has the machine's host lend so much memory, which is then free here. A virtual machine that gives free pages back takes a fault in
    /// the host for each 4 KiB that it uses again, up to ten times the cost of the copy into it: without this, whoever needs new pages
    /// measures the hypervisor.
    /// </summary>
    public static void Touch(long length)
    {
        var start = (byte*)NativeMemory.AlignedAlloc((nuint)length, 4096);
        for (long offset = 0; offset < length; offset += 4096)
        {
            start[offset] = 1;
        }

        NativeMemory.AlignedFree(start);
    }

    /// <summary>Borrowed: valid until this object is disposed.</summary>
    public Memory<byte> Slice(long offset, int count)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + count, _length);
        return new View(_start + offset, count).Memory;
    }

    public void Dispose() => NativeMemory.AlignedFree(_start);

    private sealed class View(byte* start, int count) : MemoryManager<byte>
    {
        public override Span<byte> GetSpan() => new(start, count);

        public override MemoryHandle Pin(int elementIndex = 0) => new(start + elementIndex);

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
