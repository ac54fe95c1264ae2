using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Memory;

/// <summary>
/// Reads pages of one stopped process by address. process_vm_readv does the work; what it refuses (mappings without read
/// permission) is read through /proc/PID/mem, which ignores the protection as ptrace does. So is what a fork shares:
/// process_vm_readv pins, and a pin gives the process a copy of its own of such a page (mm/gup.c, gup_must_unshare), so that reading
/// ten workers that share a heap would make ten of it.
/// </summary>
/// <param name="mayShare">Whether there can be such pages; to look for them costs as much as a twentieth of the reading.</param>
internal sealed unsafe class ProcessMemory(int pid, bool mayShare) : IDisposable
{
    private const int MaxVectors = 256;
    private readonly SharedPages? _shared = mayShare ? new(pid) : null;
    private Microsoft.Win32.SafeHandles.SafeFileHandle? _mem;

    /// <summary>Fills <paramref name="destination"/> with the pieces one after the other; their lengths add up to its length.</summary>
    /// <exception cref="LinuxException">A page cannot be read: the process is gone or its mappings changed.</exception>
    public void Read(IReadOnlyList<PagePiece> pieces, Span<byte> destination)
    {
        var vectors = stackalloc Interop.IoVec[MaxVectors];
        fixed (byte* target = destination)
        {
            var done = 0;
            var piece = 0;
            while (piece < pieces.Count)
            {
                var count = 0;
                var bytes = 0;
                while (piece < pieces.Count)
                {
                    var (address, length) = pieces[piece];
                    if (count > 0 && (ulong)vectors[count - 1].Base + vectors[count - 1].Length == address)
                    {
                        vectors[count - 1].Length += (nuint)length;
                    }
                    else if (count == MaxVectors)
                    {
                        break;
                    }
                    else
                    {
                        vectors[count++] = new Interop.IoVec { Base = (void*)address, Length = (nuint)length };
                    }

                    bytes += length;
                    piece++;
                }

                ReadVectors(vectors, count, target + done, bytes);
                done += bytes;
            }
        }
    }

    public void Dispose()
    {
        _mem?.Dispose();
        _shared?.Dispose();
    }

    private void ReadVectors(Interop.IoVec* remote, int count, byte* target, int bytes)
    {
        if (_shared?.Touches(new ReadOnlySpan<Interop.IoVec>(remote, count)) == true)
        {
            ReadAllThroughMem(remote, count, target);
            return;
        }

        var local = new Interop.IoVec { Base = target, Length = (nuint)bytes };
        var got = Interop.process_vm_readv(pid, &local, 1, remote, (nuint)count, 0);
        if (got == bytes)
        {
            return;
        }

        var errno = got < 0 ? Marshal.GetLastPInvokeError() : Errno.EFAULT;
        if (errno is not Errno.EFAULT and not Errno.ENOMEM)
        {
            throw new LinuxException($"process_vm_readv of process {pid}", errno);
        }

        // The kernel stops at the first page that it may not read; /proc/PID/mem takes the batch from the start.
        ReadAllThroughMem(remote, count, target);
    }

    private void ReadAllThroughMem(Interop.IoVec* remote, int count, byte* target)
    {
        for (var i = 0; i < count; i++)
        {
            ReadThroughMem((long)remote[i].Base, target, (int)remote[i].Length);
            target += remote[i].Length;
        }
    }

    private void ReadThroughMem(long address, byte* target, int bytes)
    {
        _mem ??= File.OpenHandle($"/proc/{pid}/mem", FileMode.Open, FileAccess.Read);
        while (bytes > 0)
        {
            var got = Interop.pread((int)_mem.DangerousGetHandle(), target, (nuint)bytes, address);
            if (got <= 0)
            {
                var errno = got < 0 ? Marshal.GetLastPInvokeError() : Errno.EIO;
                if (errno == Errno.EINTR)
                {
                    continue;
                }

                throw new LinuxException($"reading 0x{address:x} of process {pid}", errno);
            }

            address += got;
            target += got;
            bytes -= (int)got;
        }
    }
}
