namespace Floe.Store.Compression;

/// <summary>A reusable decompression context of libzstd. For one thread at a time.</summary>
internal sealed unsafe class ZstdDecompressor : IDisposable
{
    private nint _context = Interop.ZSTD_createDCtx();

    public ZstdDecompressor()
    {
        if (_context == 0)
        {
            throw new OutOfMemoryException("libzstd found no memory for a decompression context");
        }
    }

    ~ZstdDecompressor() => Free();

    /// <summary>False unless <paramref name="source"/> decompresses to exactly the length of <paramref name="destination"/>. Never writes beyond it.</summary>
    public bool TryDecompress(ReadOnlySpan<byte> source, Span<byte> destination)
    {
        ObjectDisposedException.ThrowIf(_context == 0, this);
        // SAFETY: both spans are pinned for the call and the library is given their exact lengths.
        fixed (byte* from = source)
        fixed (byte* to = destination)
        {
            var length = Interop.ZSTD_decompressDCtx(_context, to, (nuint)destination.Length, from, (nuint)source.Length);
            return Interop.ZSTD_isError(length) == 0 && length == (nuint)destination.Length;
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
            Interop.ZSTD_freeDCtx(context);
        }
    }
}
