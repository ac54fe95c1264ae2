using Floe.S3;

namespace Floe.FileSystem.Content;

/// <summary>
/// Checksums of the bytes of parts, taken as they are written: who writes in order spares the upload one reading of the local file. It also means
/// that what the bucket accepts is what was written, whatever the disk made of it in between.
/// </summary>
public sealed partial class FileContent
{
    /// <summary>For parts whose first bytes were written in order, until one of the part's bytes is changed again.</summary>
    private readonly Dictionary<int, Written> _written = [];

    /// <param name="Count">Bytes from the part's start.</param>
    private readonly record struct Written(uint Checksum, long Count);

    /// <summary>In the gate, after a write, which made what was known of its parts worthless.</summary>
    /// <param name="before">What was known of the first of them.</param>
    private void NoteChecksums(long offset, ReadOnlySpan<byte> source, Written before)
    {
        for (var part = PartGrid.Number(offset); source.Length > 0; part++)
        {
            var start = PartGrid.Offset(part);
            var piece = source[..(int)Math.Min(source.Length, start + PartGrid.Bytes(part) - offset)];
            var known = offset == start ? default : before;
            if (offset == start + known.Count)
            {
                var written = new Written(Crc32C.Append(known.Checksum, piece), known.Count + piece.Length);
                lock (_lock)
                {
                    _written[part] = written;
                }
            }

            offset += piece.Length;
            source = source[piece.Length..];
        }
    }

    /// <summary>
    /// Under the lock: the checksum of so many bytes of a part, if it is known. Never of a file that the kernel may be writing to by itself.
    /// </summary>
    private uint? ChecksumOf(int part, long count) =>
        _pins == 0 && _written.TryGetValue(part, out var written) && written.Count == count ? written.Checksum : null;
}
