using System.Text;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Testing.Machines;

internal static unsafe class Pipe
{
    /// <summary>A close-on-exec pipe; the caller owns both ends.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Create()
    {
        // SAFETY: pipe2 writes exactly two descriptors.
        var ends = stackalloc int[2];
        return Interop.pipe2(ends, Interop.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true))
            : throw LinuxException.Last("pipe2");
    }

    /// <summary>The text up to a newline or the end, whichever comes first. Reads byte by byte: for one short line.</summary>
    public static Task<string> ReadLineAsync(SafeFileHandle pipe, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            var text = new StringBuilder();
            byte value;
            while (Interop.read((int)pipe.DangerousGetHandle(), &value, 1) == 1 && value != '\n')
            {
                text.Append((char)value);
            }

            return text.ToString();
        },
        cancellationToken);
}
