using System.Buffers;
using System.Net;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3;

/// <summary>Bytes of an open file.</summary>
internal readonly record struct FileRange(SafeFileHandle File, long Offset, long Count);

/// <summary>A request body that is a range of a local file, read in pieces, so that parts of any size need no memory of theirs.</summary>
internal sealed class FileRangeContent : HttpContent
{
    public const int PieceBytes = 256 << 10;

    private readonly FileRange _range;
    private readonly CancellationToken _stop;
    private readonly Action _progress;

    /// <param name="stop">Breaks off before the next piece, so that the service never has all of the body.</param>
    public FileRangeContent(FileRange range, Action progress, CancellationToken stop)
    {
        _range = range;
        _stop = stop;
        _progress = progress;
        Headers.ContentLength = range.Count;
    }

    /// <summary>The range's checksum. The file ends early: an <see cref="EndOfStreamException"/>.</summary>
    public static uint Checksum(FileRange range)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            uint checksum = 0;
            for (long done = 0; done < range.Count;)
            {
                var count = Read(range, done, buffer);
                checksum = Crc32C.Append(checksum, buffer.AsSpan(0, count));
                done += count;
            }

            return checksum;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            for (long done = 0; done < _range.Count;)
            {
                _stop.ThrowIfCancellationRequested();
                var count = Read(_range, done, buffer);
                await stream.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                done += count;
                _progress();
            }
        }
        finally
        {
            // The stream has taken the bytes when a write returns or throws.
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _range.Count;
        return true;
    }

    private static int Read(FileRange range, long done, byte[] buffer)
    {
        var wanted = (int)Math.Min(range.Count - done, PieceBytes);
        var count = RandomAccess.Read(range.File, buffer.AsSpan(0, wanted), range.Offset + done);
        return count > 0 ? count : throw new EndOfStreamException("the local file is shorter than the part to be sent");
    }
}
