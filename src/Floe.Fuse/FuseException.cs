namespace Floe.Fuse;

/// <summary>A file operation that fails with an errno, which the caller of the system call sees.</summary>
public sealed class FuseException(int errno, string message) : IOException(message)
{
    public int Errno { get; } = errno;
}
