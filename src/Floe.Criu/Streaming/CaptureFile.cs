using System.Runtime.InteropServices;
using Floe.Criu.Images;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// One image on its way from CRIU. It is discarded (a task's pages, read by address later), held whole (images that Floe
/// reads or mends itself), or kept: in memory while it is small and there is room among the small ones, as a stream of the sink
/// once it outgrows that.
/// </summary>
internal sealed class CaptureFile : IDisposable
{
    private const int MaxHeldBytes = 64 << 20;
    private readonly SafeFileHandle _pipe;
    private readonly IImageSink _sink;
    private readonly SmallImageRoom _room;
    private MemoryStream? _small = new();
    private IImageStream? _stream;

    public CaptureFile(string name, SafeFileHandle pipe, CaptureKind kind, PagemapParser? parser, IImageSink sink, SmallImageRoom room)
    {
        Name = name;
        Kind = kind;
        Parser = parser;
        _pipe = pipe;
        _sink = sink;
        _room = room;
        ImagePipe.TryEnlarge(Descriptor);
    }

    public string Name { get; }

    public CaptureKind Kind { get; }

    /// <summary>Reads a pagemap along as it arrives.</summary>
    public PagemapParser? Parser { get; }

    public int Descriptor => (int)_pipe.DangerousGetHandle();

    public long Bytes { get; private set; }

    /// <summary>Takes what the pipe holds. False at its end.</summary>
    public unsafe bool Receive(Span<byte> buffer, SafeFileHandle nowhere)
    {
        nint count;
        fixed (byte* start = buffer)
        {
            // SAFETY: at most the buffer's length is read. The pipe was reported readable or at its end, so neither call blocks.
            count = Kind == CaptureKind.Discard
                ? Interop.splice(Descriptor, null, (int)nowhere.DangerousGetHandle(), null, (nuint)buffer.Length, Interop.SPLICE_F_MOVE | Interop.SPLICE_F_NONBLOCK)
                : Interop.read(Descriptor, start, (nuint)buffer.Length);
        }

        if (count < 0)
        {
            return Marshal.GetLastPInvokeError() is Errno.EINTR or Errno.EAGAIN ? true : throw LinuxException.Last($"read of {Name}");
        }

        Bytes += count;
        if (count > 0 && Kind != CaptureKind.Discard)
        {
            Keep(buffer[..(int)count]);
        }

        return count > 0;
    }

    /// <summary>Passes the whole image to the sink; <paramref name="held"/> replaces what was held.</summary>
    /// <param name="isReadWhole">Floe itself reads it at a restore: it stays small, whatever room there is.</param>
    public void Deliver(byte[]? held, bool isReadWhole)
    {
        if (_stream is null)
        {
            var content = held ?? _small!.ToArray();
            if (content.Length <= ImageStreamLimits.MaxSmallImageBytes
                && (Kind == CaptureKind.Keep || isReadWhole || _room.TryTake(content.Length, content.Length)))
            {
                _sink.AddSmallImage(Name, content);
                return;
            }

            _stream = _sink.OpenStream(Name);
            _stream.Append(content);
        }

        _stream.Complete();
    }

    /// <summary>The content of a held image.</summary>
    public byte[] Held() => _small!.ToArray();

    public void Dispose()
    {
        _pipe.Dispose();
        _stream?.Dispose();
    }

    private void Keep(ReadOnlySpan<byte> data)
    {
        Parser?.Feed(data);
        if (_stream is null)
        {
            if (Kind == CaptureKind.Hold && Bytes > MaxHeldBytes)
            {
                throw new ImageStreamException($"{Name} is larger than {MaxHeldBytes} bytes");
            }

            if (Kind == CaptureKind.Hold || (Bytes <= ImageStreamLimits.MaxSmallImageBytes && _room.TryTake(Bytes, data.Length)))
            {
                _small!.Write(data);
                return;
            }

            _stream = _sink.OpenStream(Name);
            _stream.Append(_small!.GetBuffer().AsSpan(0, (int)_small.Length));
            _room.GiveBack((int)_small.Length);
            _small = null;
        }

        _stream.Append(data);
    }
}

internal enum CaptureKind
{
    /// <summary>Kept as it is.</summary>
    Keep,

    /// <summary>Kept, whole in memory first.</summary>
    Hold,

    /// <summary>Thrown away unread.</summary>
    Discard,
}
