using System.IO.MemoryMappedFiles;
using Floe.Agent.Memory;
using Floe.Criu.Images;
using Floe.Linux;
using Floe.Store;
using Xunit;

namespace Floe.Tests.Memory;

/// <summary>On this process's own memory.</summary>
public sealed class MemoryCaptureTests : IDisposable
{
    private const int Bytes = 32 << 20;
    private readonly CollectedContent _content = new();
    private readonly Mapping _data = new(MemoryMappedFileAccess.ReadWrite);
    private readonly Mapping _code = new(MemoryMappedFileAccess.ReadWriteExecute);

    public void Dispose()
    {
        _data.Dispose();
        _code.Dispose();
    }

    [Fact]
    public async Task Finish_PagesOfData_WereReadBeforeAndAreWhole()
    {
        Random.Shared.NextBytes(_data.Span);
        await using var capture = new MemoryCapture(_content, 2, () => true, CancellationToken.None);
        var pages = capture.Open(Environment.ProcessId, "pages-1.img");
        pages.Add(_data.Pages);
        pages.Complete();
        while (capture.BytesRead < Bytes)
        {
            await Task.Yield();
        }

        await capture.FinishAsync(CancellationToken.None);
        Assert.True(_data.Span.SequenceEqual(_content.Of("criu/pages-1.img")));
    }

    [Fact]
    public async Task Finish_PagesOfCode_AreReadOnlyThen()
    {
        _data.Span.Fill(1);
        _code.Span.Fill(2);
        await using var capture = new MemoryCapture(_content, 2, () => true, CancellationToken.None);
        var pages = capture.Open(Environment.ProcessId, "pages-1.img");
        foreach (var range in new[] { _data.Pages, _code.Pages }.OrderBy(range => range.Address))
        {
            pages.Add(range);
        }

        pages.Complete();
        while (capture.BytesRead < Bytes)
        {
            await Task.Yield();
        }

        _code.Span.Fill(3);
        await capture.FinishAsync(CancellationToken.None);
        var read = _content.Of("criu/pages-1.img");
        Assert.Equal((Bytes, Bytes), (read.Count(b => b == 1), read.Count(b => b == 3)));
    }

    /// <summary>Something else of the snapshot failed: the task does not stand still for memory that nobody will have.</summary>
    [Fact]
    public async Task Finish_Stopped_ReadsNoMore()
    {
        await using var capture = new MemoryCapture(_content, 1, () => true, CancellationToken.None);
        var pages = capture.Open(Environment.ProcessId, "pages-1.img");
        pages.Add(_code.Pages);
        pages.Complete();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => capture.FinishAsync(new CancellationToken(canceled: true)));

        Assert.Equal(0, capture.BytesRead);
    }

    [Fact]
    public async Task Add_AfterAFailedRead_ThrowsIts()
    {
        await using var capture = new MemoryCapture(_content, 2, () => true, CancellationToken.None);
        var pages = capture.Open(Environment.ProcessId, "pages-1.img");
        var error = Assert.Throws<LinuxException>(() =>
        {
            for (ulong page = 0; page < 1u << 31; page += 2048)
            {
                pages.Add(new PageRange((1ul << 46) + (page * 4096), 2048));
                Thread.Yield();
            }
        });
        Assert.Equal(Errno.EIO, error.Errno);
        Assert.Equal(Errno.EIO, (await Assert.ThrowsAsync<LinuxException>(() => capture.FinishAsync(CancellationToken.None))).Errno);
    }

    /// <summary>Whole windows of the block grid: a window that a neighbour's code shares counts as code.</summary>
    private sealed unsafe class Mapping : IDisposable
    {
        private const ulong Window = PageCursor.WindowBytes;
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;
        private readonly ulong _start;

        public Mapping(MemoryMappedFileAccess access)
        {
            _file = MemoryMappedFile.CreateNew(null, Bytes + (int)Window, access);
            _view = _file.CreateViewAccessor(0, Bytes + (int)Window, access);
            _start = ((ulong)_view.SafeMemoryMappedViewHandle.DangerousGetHandle() + Window - 1) / Window * Window;
        }

        public Span<byte> Span => new((void*)_start, Bytes);

        public PageRange Pages => new(_start, Bytes / 4096);

        public void Dispose()
        {
            _view.Dispose();
            _file.Dispose();
        }
    }

    /// <summary>Streams in memory.</summary>
    private sealed class CollectedContent : ISnapshotContent
    {
        private readonly List<(string Name, SortedList<int, MemoryStream> Segments)> _streams = [];

        public StreamId AddStream(string name)
        {
            _streams.Add((name, []));
            return new StreamId(_streams.Count - 1);
        }

        public IBlockSink CreateSink() => new Sink(this);

        public void AddSmallImage(string name, byte[] content) => throw new NotSupportedException();

        public byte[] Of(string name) => [.. _streams.Single(s => s.Name == name).Segments.SelectMany(s => s.Value.ToArray())];

        private sealed class Sink(CollectedContent content) : IBlockSink
        {
            private readonly byte[] _reserved = new byte[BlockFormat.MaxReservedBytes];
            private MemoryStream? _segment;

            public void BeginSegment(StreamId stream, int ordinal)
            {
                lock (content._streams)
                {
                    content._streams[stream.Value].Segments.Add(ordinal, _segment = new MemoryStream());
                }
            }

            public Span<byte> Reserve(int byteCount) => _reserved.AsSpan(0, byteCount);

            public void Append(ReadOnlySpan<byte> block) => _segment!.Write(block);

            public void AppendZeros(long byteCount) => throw new NotSupportedException();

            public void EndSegment() => _segment = null;

            public void Dispose()
            {
            }
        }
    }
}
