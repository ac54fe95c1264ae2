namespace Floe.Store.Compression;

/// <summary>A reusable compression context of libzstd. For one thread at a time.</summary>
internal sealed unsafe class ZstdCompressor : IDisposable
{
    private nint _context = Interop.ZSTD_createCCtx();

    public ZstdCompressor()
    {
        if (_context == 0)
        {
            throw new OutOfMemoryException("libzstd found no memory for a compression context");
        }
    }

    ~ZstdCompressor() => Free();

    /// <summary>A destination this long always suffices.</summary>
    public static int Bound(int length) => checked((int)Interop.ZSTD_compressBound((nuint)length));

    /// <summary>Compressed length; 0 when the result does not fit into <paramref name="destination"/>.</summary>
    public int Compress(ReadOnlySpan<byte> source, Span<byte> destination, int level)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        // SAFETY: both spans are pinned for the call and the library is given their exact lengths.
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var length = Interop.ZSTD_compressCCtx(_context, to, (nuint)destination.Length, from, (nuint)source.Length, level);
            return Interop.ZSTD_isError(length) != 0 ? 0 : (int)length;
        }
    }

    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    private void Free()
    {
        if (Interlocked.Exchange(ref _context, 0) is not 0 and var context)
        {
            Interop.ZSTD_freeCCtx(context);
        }
    }
}
