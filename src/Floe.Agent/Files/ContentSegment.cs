using Floe.Store;

namespace Floe.Agent.Files;

/// <summary>A range of one file: from a multiple of the block size on.</summary>
internal readonly record struct FileRange(OpenedFile File, long Offset, long ByteCount);

/// <summary>One segment of a content stream: several small files, or a part of a large one. Owns its share of the open files.</summary>
/// <param name="maxFiles">Bounds the open descriptors: segments under way × this.</param>
internal sealed class ContentSegment(StreamId stream, int ordinal, int maxFiles) : IDisposable
{
    /// <summary>More in one would gain nothing.</summary>
    public const int MostFiles = 64;

    /// <summary>Part of a large file: small enough that the readers share the file, large enough that segments stay few.</summary>
    public const long MaxBytes = 32L * 1024 * 1024;

    /// <summary>Its parts are counted in 31 bits.</summary>
    public const ulong MaxFileBytes = (ulong)MaxBytes * int.MaxValue;

    /// <summary>Files up to this length share segments, which are full once they hold as much.</summary>
    public const long SmallFileBytes = 4L * 1024 * 1024;

    private readonly List<FileRange> _ranges = [];

    public long ByteCount { get; private set; }

    public bool IsFull => _ranges.Count >= maxFiles || ByteCount >= SmallFileBytes;

    public void Add(FileRange range)
    {
        _ranges.Add(range);
        ByteCount += range.ByteCount;
    }

    /// <summary>Reads the ranges into the sink on the block grid of each file; runs of whole blocks that lie in holes are only named.</summary>
    /// <param name="buffer">A multiple of the block size.</param>
    public void Read(IBlockSink sink, Span<byte> buffer, FileCaptureProgress progress, Action<byte[]> changedWhileRead, CancellationToken cancellationToken)
    {
        sink.BeginSegment(stream, ordinal);
        foreach (var range in _ranges)
        {
            ReadRange(range, sink, buffer, progress, cancellationToken);
            if (range.File.HasChanged())
            {
                changedWhileRead(range.File.Path);
            }
        }

        sink.EndSegment();
    }

    public void Dispose()
    {
        foreach (var range in _ranges)
        {
            range.File.Release();
        }
    }

    private static void ReadRange(in FileRange range, IBlockSink sink, Span<byte> buffer, FileCaptureProgress progress, CancellationToken cancellationToken)
    {
        var position = range.Offset;
        var end = range.Offset + range.ByteCount;
        var dataEnd = range.File.MayHaveHoles ? position : end;
        while (position < end)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (position >= dataEnd)
            {
                var data = range.File.NextData(position);
                var dataBlock = data >= end ? end : data - (data % BlockFormat.MaxBlockBytes);
                if (dataBlock > position)
                {
                    sink.AppendZeros(dataBlock - position);
                    progress.Read(dataBlock - position);
                    position = dataBlock;
                    if (position == end)
                    {
                        break;
                    }
                }

                // Up to the end of the block that the hole starts in.
                var hole = Math.Min(range.File.NextHole(Math.Max(data, position)), end);
                dataEnd = Math.Min(end, (hole + BlockFormat.MaxBlockBytes - 1) / BlockFormat.MaxBlockBytes * BlockFormat.MaxBlockBytes);
            }

            var part = buffer[..(int)Math.Min(buffer.Length, dataEnd - position)];
            range.File.ReadExactly(part, position);
            for (var at = 0; at < part.Length; at += BlockFormat.MaxBlockBytes)
            {
                sink.Append(part[at..Math.Min(part.Length, at + BlockFormat.MaxBlockBytes)]);
            }

            position += part.Length;
            progress.Read(part.Length);
        }
    }
}
