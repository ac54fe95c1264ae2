using Floe.Store;

namespace Floe.Agent.Files;

/// <summary>Writes bytes as one segment of full blocks. The end is marked only by <see cref="Complete"/>.</summary>
internal sealed class SinkStream : Stream
{
    private readonly IBlockSink _sink;
    private readonly byte[] _block = new byte[BlockFormat.MaxBlockBytes];
    private int _used;

    public SinkStream(IBlockSink sink, StreamId stream)
    {
        _sink = sink;
        _sink.BeginSegment(stream, 0);
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var part = Math.Min(buffer.Length, _block.Length - _used);
            buffer[..part].CopyTo(_block.AsSpan(_used));
            _used += part;
            buffer = buffer[part..];
            if (_used == _block.Length)
            {
                _sink.Append(_block);
                _used = 0;
            }
        }
    }

    public void Complete()
    {
        if (_used > 0)
        {
            _sink.Append(_block.AsSpan(0, _used));
        }

        _sink.EndSegment();
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
