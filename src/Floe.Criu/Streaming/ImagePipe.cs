using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>The writing end of a pipe that CRIU reads an image from; it does not block.</summary>
public static class ImagePipe
{
    private const int PreferredPipeBytes = 1 << 20;

    /// <summary>Writes all bytes. One write a pipe at a time. No thread is held while the pipe is full.</summary>
    /// <returns>False when CRIU has closed its end: it needs no more of this image.</returns>
    /// <exception cref="LinuxException">Any other error.</exception>
    public static async ValueTask<bool> WriteAsync(SafeFileHandle pipe, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var written = TryWrite(pipe, data.Span);
            if (written < 0)
            {
                return false;
            }

            data = data[written..];
            if (data.IsEmpty)
            {
                return true;
            }

            await PipePoller.Shared.WaitAsync((int)pipe.DangerousGetHandle(), cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for 1 MiB; the kernel refuses it to users above their pipe quota, and the pipe works as it is.</summary>
    internal static void TryEnlarge(int fd) => _ = Interop.fcntl(fd, Interop.F_SETPIPE_SZ, PreferredPipeBytes);

    /// <summary>The writing end alone: CRIU's reading end has flags of its own.</summary>
    internal static void MakeNonBlocking(SafeFileHandle pipe)
    {
        var fd = (int)pipe.DangerousGetHandle();
        if (Interop.fcntl(fd, Interop.F_SETFL, Interop.fcntl(fd, Interop.F_GETFL, 0) | Interop.O_NONBLOCK) < 0)
        {
            throw LinuxException.Last("fcntl(F_SETFL)");
        }
    }

    /// <summary>Bytes written, 0 when the pipe is full, -1 when its reader is gone.</summary>
    private static unsafe int TryWrite(SafeFileHandle pipe, ReadOnlySpan<byte> data)
    {
        // SAFETY: the span is pinned for the call, and no more than its length is written.
        fixed (byte* start = data)
        {
            while (true)
            {
                var count = Interop.write((int)pipe.DangerousGetHandle(), start, (nuint)data.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return 0;
                    case Errno.EPIPE:
                        return -1;
                    default:
                        throw LinuxException.Last("write to an image pipe");
                }
            }
        }
    }
}
