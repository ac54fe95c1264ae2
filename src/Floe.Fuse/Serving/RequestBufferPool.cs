namespace Floe.Fuse.Serving;

/// <summary>
/// Buffers of three sizes within one budget. Who finds it used up waits: requests queue in the kernel then.
/// Free buffers count; those of another size are given up when the budget is short.
/// </summary>
internal sealed class RequestBufferPool(long maxBytes, int largestBytes) : IDisposable
{
    private readonly int[] _sizes = [16 << 10, (128 << 10) + 4096, largestBytes];
    private readonly Stack<RequestBuffer>[] _free = [new(), new(), new()];
    private readonly object _gate = new();
    private long _allocated;
    private bool _isClosed;

    /// <exception cref="ObjectDisposedException">The pool was closed, perhaps while waiting.</exception>
    public RequestBuffer Rent(int bytes)
    {
        var size = Array.FindIndex(_sizes, s => s >= bytes);
        lock (_gate)
        {
            while (true)
            {
                ObjectDisposedException.ThrowIf(_isClosed, this);
                if (_free[size].TryPop(out var buffer))
                {
                    return buffer;
                }

                if (_allocated + _sizes[size] <= maxBytes || GiveUp(_sizes[size]))
                {
                    _allocated += _sizes[size];
                    return new RequestBuffer(this, _sizes[size]);
                }

                Monitor.Wait(_gate);
            }
        }
    }

    public void Return(RequestBuffer buffer)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                Free(buffer);
            }
            else
            {
                _free[Array.IndexOf(_sizes, buffer.Length)].Push(buffer);
            }

            Monitor.Pulse(_gate);
        }
    }

    /// <summary>Buffers that are out are freed when they come back.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _isClosed = true;
            foreach (var buffer in _free.SelectMany(f => f))
            {
                Free(buffer);
            }

            Monitor.PulseAll(_gate);
        }
    }

    private bool GiveUp(int bytes)
    {
        foreach (var free in _free)
        {
            while (_allocated + bytes > maxBytes && free.TryPop(out var buffer))
            {
                Free(buffer);
            }
        }

        return _allocated + bytes <= maxBytes;
    }

    private void Free(RequestBuffer buffer)
    {
        _allocated -= buffer.Length;
        buffer.Free();
    }
}
