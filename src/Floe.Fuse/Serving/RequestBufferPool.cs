using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse.Serving;

/// <summary>
/// Buffers of three sizes within one budget of memory, and nobody waits for one: whoever takes requests must go on, since the next may be the one that
/// ends the others' waiting. Half of the budget is buffers that were used and are used again; where they are all out a new one is given,
/// which takes no memory before it is filled, and it goes when it comes back. The rest is for data of requests that wait (WRITE): more of it
/// leaves memory for a file, and stays in memory, past the budget, where there is none or its disk is full: the same disk is likely to be what the
/// requests wait for, and what makes room there comes by the threads that would wait.
/// </summary>
/// <param name="openSpill">Gives that file; null, or none given: nothing leaves memory.</param>
internal sealed class RequestBufferPool(long maxBytes, int largestBytes, Func<SafeFileHandle?>? openSpill) : IDisposable
{
    private const int PageBytes = 4096;

    private readonly int[] _sizes = [16 << 10, (128 << 10) + PageBytes, largestBytes];
    private readonly Stack<RequestBuffer>[] _free = [new(), new(), new()];
    private readonly SpillFile _spill = new(openSpill, largestBytes);
    private readonly long _maxHeld = maxBytes / 2;
    private readonly Lock _gate = new();
    private long _freeBytes;
    private long _out;
    private long _held;
    private bool _isClosed;

    /// <exception cref="ObjectDisposedException">The pool was closed.</exception>
    public RequestBuffer Rent(int bytes)
    {
        var size = Array.FindIndex(_sizes, s => s >= bytes);
        List<RequestBuffer> old = [];
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            _out += _sizes[size];
            if (_free[size].TryPop(out var buffer))
            {
                _freeBytes -= buffer.Length;
                return buffer;
            }

            foreach (var free in _free)
            {
                while (IsOver && free.TryPop(out var other))
                {
                    _freeBytes -= other.Length;
                    old.Add(other);
                }
            }
        }

        old.ForEach(b => b.Free());
        return new RequestBuffer(this, _sizes[size]);
    }

    /// <summary>A request waits with so many bytes at the start of its buffer, which are only read from now on. Others may be reading them.</summary>
    public void Hold(RequestBuffer buffer, int bytes)
    {
        var pages = (bytes + PageBytes - 1) / PageBytes * PageBytes;
        lock (_gate)
        {
            _out -= buffer.Length;
            // The first few are likely to be soon back.
            buffer.Held = _held + buffer.Length <= _maxHeld / 2 ? buffer.Length : pages;
            // One alone always has room.
            if (_held == 0 || _held + buffer.Held <= _maxHeld || _isClosed)
            {
                Count(buffer);
                return;
            }
        }

        if (_spill.TryTake(buffer, pages))
        {
            buffer.Held = 0;
            return;
        }

        lock (_gate)
        {
            Count(buffer);
        }
    }

    public void Return(RequestBuffer buffer)
    {
        bool isKept;
        lock (_gate)
        {
            if (buffer.Held is { } held)
            {
                _held -= held;
                buffer.Held = null;
            }
            else
            {
                _out -= buffer.Length;
            }

            _freeBytes += buffer.Length;
            isKept = !_isClosed && buffer.SpillSlot is null && !IsOver;
            if (isKept)
            {
                _free[Array.IndexOf(_sizes, buffer.Length)].Push(buffer);
            }
            else
            {
                _freeBytes -= buffer.Length;
            }
        }

        if (!isKept)
        {
            buffer.Free();
            if (buffer.SpillSlot is { } slot)
            {
                _spill.GiveBack(slot);
            }
        }
    }

    /// <summary>Buffers that are out are freed when they come back.</summary>
    public void Dispose()
    {
        List<RequestBuffer> free;
        lock (_gate)
        {
            _isClosed = true;
            free = [.. _free.SelectMany(f => f)];
            Array.ForEach(_free, f => f.Clear());
        }

        free.ForEach(b => b.Free());
        _spill.Dispose();
    }

    private bool IsOver => _freeBytes + _out > maxBytes - _maxHeld;

    /// <summary>The lock is held.</summary>
    private void Count(RequestBuffer buffer)
    {
        var held = buffer.Held!.Value;
        _held += held;
        if (held < buffer.Length)
        {
            buffer.Trim(held);
        }
    }
}
