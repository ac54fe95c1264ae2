using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>The writing end of a pipe that CRIU reads an image from.</summary>
public static unsafe class ImagePipe
{
    internal const int PreferredPipeBytes = 1 << 20;

    /// <summary>
    /// Writes all bytes, blocking while the pipe is full. A blocked write ends when CRIU and its children end, at the latest.
    /// </summary>
    /// <returns>False when CRIU has closed its end: it needs no more of this image.</returns>
    /// <exception cref="LinuxException">Any other error.</exception>
    public static bool Write(SafeFileHandle pipe, ReadOnlySpan<byte> data)
    {
        var fd = (int)pipe.DangerousGetHandle();

        // SAFETY: the span is pinned for the loop; every write stays inside it.
        fixed (byte* start = data)
        {
            var written = 0;
            while (written < data.Length)
            {
                var count = Interop.write(fd, start + written, (nuint)(data.Length - written));
                if (count >= 0)
                {
                    written += (int)count;
                    continue;
                }

                switch (Marshal.GetLastPInvokeError())
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EPIPE:
                        return false;
                    default:
                        throw LinuxException.Last("write to an image pipe");
                }
            }
        }

        return true;
    }

    /// <summary>Asks for 1 MiB; the kernel refuses it to users above their pipe quota, and the pipe works as it is.</summary>
    internal static void TryEnlarge(int fd) => _ = Interop.fcntl(fd, Interop.F_SETPIPE_SZ, PreferredPipeBytes);
}
