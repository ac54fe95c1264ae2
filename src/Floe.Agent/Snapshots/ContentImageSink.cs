using Floe.Agent.Memory;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>Puts CRIU's images into a snapshot: small ones whole, large ones as streams of blocks, the task's pages by reading its memory.</summary>
internal sealed class ContentImageSink(ISnapshotContent content, MemoryCapture memory) : IImageSink
{
    public void AddSmallImage(string name, byte[] image) => content.AddSmallImage(SnapshotNames.CriuImage(name), image);

    public IImageStream OpenStream(string name) => new ImageStream(content, content.AddStream(SnapshotNames.CriuImage(name)));

    public IPageStream OpenPages(int pid, string name) => memory.Open(pid, name);

    /// <summary>Cuts what comes into full blocks. The bytes of shared memory keep their place in the grid, because its pages come in order.</summary>
    private sealed class ImageStream : IImageStream
    {
        private readonly IBlockSink _sink;
        private readonly byte[] _block = new byte[BlockFormat.MaxBlockBytes];
        private int _filled;

        public ImageStream(ISnapshotContent content, StreamId stream)
        {
            _sink = content.CreateSink();
            _sink.BeginSegment(stream, 0);
        }

        public void Append(ReadOnlySpan<byte> data)
        {
            while (data.Length > 0)
            {
                if (_filled == 0 && data.Length >= _block.Length)
                {
                    _sink.Append(data[.._block.Length]);
                    data = data[_block.Length..];
                    continue;
                }

                var part = Math.Min(data.Length, _block.Length - _filled);
                data[..part].CopyTo(_block.AsSpan(_filled));
                _filled += part;
                data = data[part..];
                if (_filled == _block.Length)
                {
                    _sink.Append(_block);
                    _filled = 0;
                }
            }
        }

        public void Complete()
        {
            if (_filled > 0)
            {
                _sink.Append(_block.AsSpan(0, _filled));
            }

            _sink.EndSegment();
            _sink.Dispose();
        }

        public void Dispose() => _sink.Dispose();
    }
}
