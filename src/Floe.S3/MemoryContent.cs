using System.Net;

namespace Floe.S3;

/// <summary>A request body that is the caller's memory: written to the connection in pieces without a copy, each reported as progress.</summary>
internal sealed class MemoryContent : HttpContent
{
    private const int PieceBytes = 256 << 10;

    private readonly ReadOnlyMemory<byte> _memory;
    private readonly Action _progress;

    public MemoryContent(ReadOnlyMemory<byte> memory, Action progress)
    {
        _memory = memory;
        _progress = progress;
        Headers.ContentLength = memory.Length;
    }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        for (var rest = _memory; rest.Length > 0;)
        {
            var count = Math.Min(rest.Length, PieceBytes);
            await stream.WriteAsync(rest[..count], cancellationToken).ConfigureAwait(false);
            rest = rest[count..];
            _progress();
        }
    }

    protected override bool TryComputeLength(out long length)
    {
        length = _memory.Length;
        return true;
    }
}
