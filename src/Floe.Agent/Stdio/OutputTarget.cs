using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Stdio;

/// <summary>
/// The agent's descriptor that a relay writes to, whatever it is, so that no reader can hold the relay up inside the kernel. A splice that waits there holds
/// the pipe's mutex: the task that writes into that pipe can then not be frozen. So only what never waits for a reader is spliced into, pipes and files; into
/// terminals and sockets the relay writes without waiting.
/// </summary>
internal sealed unsafe class OutputTarget : IDisposable
{
    private const int AnyBytes = 1024 * 1024;

    // What a descriptor that blocks takes without blocking once poll says that it is writable (PIPE_BUF).
    private const int SafeBytes = 4096;

    private const int NonBlockingBytes = 64 * 1024;

    private const int MSG_DONTWAIT = 0x40;
    private const int MSG_NOSIGNAL = 0x4000;

    private readonly SafeFileHandle? _own;
    private readonly bool _isSocket;
    private readonly int _bytesPerWrite;

    /// <param name="descriptor">Borrowed. Its flags stay as they are: other programs may share them.</param>
    public OutputTarget(int descriptor)
    {
        Descriptor = descriptor;
        Interop.StatxBuffer stat;
        byte nothing = 0;
        var type = Interop.statx(descriptor, &nothing, Interop.AT_EMPTY_PATH, Interop.STATX_BASIC_STATS, &stat) == 0 ? stat.stx_mode & Interop.S_IFMT : 0;
        CanBeSpliced = type is Interop.S_IFIFO or Interop.S_IFREG;
        _isSocket = type == Interop.S_IFSOCK;
        IsCharacterDevice = type == Interop.S_IFCHR;
        if (type == Interop.S_IFREG)
        {
            _bytesPerWrite = AnyBytes;
            return;
        }

        // An open file of our own, which may be told not to block. A socket has none; one of another user's may be refused.
        if (!_isSocket)
        {
            var own = Interop.openat(Interop.AT_FDCWD, $"/proc/self/fd/{descriptor}", Interop.O_WRONLY | Interop.O_NONBLOCK | Interop.O_NOCTTY | Interop.O_CLOEXEC, 0);
            if (own.IsInvalid)
            {
                own.Dispose();
            }
            else
            {
                _own = own;
                Descriptor = (int)own.DangerousGetHandle();
            }
        }

        _bytesPerWrite = _isSocket || _own is not null ? NonBlockingBytes : SafeBytes;
    }

    /// <summary>To poll for room, and to splice into.</summary>
    public int Descriptor { get; }

    public bool CanBeSpliced { get; }

    /// <summary>A terminal, as a rule.</summary>
    public bool IsCharacterDevice { get; }

    /// <summary>Writes as much as is taken at once; less than 0 with errno, EAGAIN where that is nothing.</summary>
    public nint Write(byte* source, int byteCount)
    {
        var length = (nuint)Math.Min(byteCount, _bytesPerWrite);
        if (!_isSocket)
        {
            return Interop.write(Descriptor, source, length);
        }

        var vector = new Interop.IoVec { Base = source, Length = length };
        var message = new Interop.MsgHdr { Vectors = &vector, VectorCount = 1 };
        return Interop.sendmsg(Descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    }

    public void Dispose() => _own?.Dispose();
}
