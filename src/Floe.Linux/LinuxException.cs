using System.Runtime.InteropServices;

namespace Floe.Linux;

/// <summary>A system call that failed: which one, on what, and its errno.</summary>
public sealed class LinuxException : IOException
{
    public LinuxException(string operation, int errno)
        : base($"{operation}: {Marshal.GetPInvokeErrorMessage(errno)}") => Errno = errno;

    public int Errno { get; }

    /// <summary>The exception for the errno that the last call on this thread left.</summary>
    public static LinuxException Last(string operation) => new(operation, Marshal.GetLastPInvokeError());
}
