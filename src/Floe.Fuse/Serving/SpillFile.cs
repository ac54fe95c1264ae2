using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse.Serving;

/// <summary>A file without a name that takes what requests wait with and memory has no room for. Made when it is first needed; each range is given back by itself.</summary>
/// <param name="open">Gives the file, which is owned here; null where there is none to be had.</param>
internal sealed class SpillFile(Func<SafeFileHandle?>? open, int slotBytes) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Stack<int> _free = [];
    private SafeFileHandle? _file;
    private int _slots;
    private bool _isClosed;

    /// <summary>Moves the first bytes of a buffer (whole pages) out of memory, without a change to be seen. False: the disk does not take them.</summary>
    public bool TryTake(RequestBuffer buffer, int bytes)
    {
        int slot;
        SafeFileHandle file;
        lock (_gate)
        {
            if (_isClosed || (_file ??= open?.Invoke()) is not { } opened)
            {
                return false;
            }

            file = opened;
            slot = _free.TryPop(out var free) ? free : _slots++;
        }

        var offset = (long)slot * slotBytes;
        // The space first: a page that has no place on the disk when the kernel wants to write it is lost.
        if (Interop.fallocate(file, 0, offset, bytes) == 0 && TryWrite(file, buffer.GetSpan()[..bytes], offset) && buffer.TryReplace(file, offset, bytes))
        {
            buffer.SpillSlot = slot;
            return true;
        }

        GiveBack(slot);
        return false;
    }

    /// <summary>The range's space is the disk's again. Nobody may have it mapped.</summary>
    public void GiveBack(int slot)
    {
        lock (_gate)
        {
            if (!_isClosed)
            {
                _ = Interop.fallocate(_file!, Interop.FALLOC_FL_PUNCH_HOLE | Interop.FALLOC_FL_KEEP_SIZE, (long)slot * slotBytes, slotBytes);
                _free.Push(slot);
            }
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            _file?.Dispose();
        }
    }

    private static bool TryWrite(SafeFileHandle file, ReadOnlySpan<byte> bytes, long offset)
    {
        try
        {
            RandomAccess.Write(file, bytes, offset);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
