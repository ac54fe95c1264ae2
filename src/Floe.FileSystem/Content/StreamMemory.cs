using Floe.Linux;

namespace Floe.FileSystem.Content;

/// <summary>
/// The memory of all streamed ranges, and the thread that writes them to the local files. The thread yields to everything else: where the
/// disk or the CPUs do not keep up with the readers, the ranges that have been read are given up instead, oldest first, and the next stream
/// goes on in their memory. So a stream is as fast as the network, however slow the disk is.
/// </summary>
internal sealed class StreamMemory(long maxBytes) : IDisposable
{
    /// <summary>The longest range.</summary>
    public const int RangeBytes = 8 << 20;

    /// <summary>
    /// On a busy CPU it gets a thirtieth of what another thread gets: enough to be soon through with a piece, for which a writer of the same file may wait.
    /// </summary>
    private const int Niceness = 15;

    private readonly object _gate = new();
    private readonly Stack<NativeBuffer> _free = [];

    // Whole ranges that the local file does not have yet, oldest first.
    private readonly LinkedList<StreamedRange> _waiting = [];

    // Those that it has, but that have not been read to their end.
    private readonly LinkedList<StreamedRange> _written = [];
    private Thread? _writer;
    private int _rented;
    private bool _isClosed;

    /// <summary>Ranges that could be rented now.</summary>
    public int Room
    {
        get
        {
            lock (_gate)
            {
                return (int)(maxBytes / RangeBytes) - _rented + _written.Count + _waiting.Count(r => r.IsReadThrough);
            }
        }
    }

    /// <summary>Null when all memory holds what is still to be read.</summary>
    public NativeBuffer? TryRent()
    {
        StreamedRange? victim;
        lock (_gate)
        {
            if (_isClosed)
            {
                return null;
            }

            if (_free.TryPop(out var free))
            {
                _rented++;
                return free;
            }

            if ((_rented + 1) * (long)RangeBytes <= maxBytes)
            {
                _rented++;
                return new NativeBuffer(RangeBytes);
            }

            victim = _written.First?.Value ?? _waiting.FirstOrDefault(r => r.IsReadThrough);
            if (victim is not null && !_written.Remove(victim))
            {
                _waiting.Remove(victim);
            }
        }

        // Outside the lock: giving a range up takes its owner's lock and then this one.
        victim?.Owner.DropStreamed(victim);
        lock (_gate)
        {
            if (_isClosed || !_free.TryPop(out var free))
            {
                return null;
            }

            _rented++;
            return free;
        }
    }

    /// <summary>When the last buffer is back the memory goes, but for one.</summary>
    public void Return(NativeBuffer buffer)
    {
        lock (_gate)
        {
            _rented--;
            _free.Push(buffer);
            while (_isClosed ? _free.Count > 0 : _rented == 0 && _free.Count > 1)
            {
                ((IDisposable)_free.Pop()).Dispose();
            }
        }
    }

    /// <summary>Has the range written to its file when there is time.</summary>
    public void Keep(StreamedRange range)
    {
        lock (_gate)
        {
            if (!_isClosed)
            {
                _waiting.AddLast(range);
                if (_writer is null)
                {
                    _writer = new Thread(Write) { IsBackground = true, Name = "cache writer" };
                    _writer.Start();
                }

                Monitor.Pulse(_gate);
                return;
            }
        }

        range.Owner.DropStreamed(range);
    }

    /// <summary>The local file has it: it goes as soon as it was read to its end, or its memory is needed.</summary>
    public void Written(StreamedRange range)
    {
        lock (_gate)
        {
            if (!_isClosed && !range.IsReadThrough)
            {
                _written.AddLast(range);
                return;
            }
        }

        range.Owner.DropStreamed(range);
    }

    /// <summary>Gives a range up if the local file has it.</summary>
    public void DropWritten(StreamedRange range)
    {
        lock (_gate)
        {
            if (!_written.Remove(range))
            {
                return;
            }
        }

        range.Owner.DropStreamed(range);
    }

    /// <summary>What was not written yet is not: it can be had again.</summary>
    public void Dispose()
    {
        List<StreamedRange> left;
        lock (_gate)
        {
            _isClosed = true;
            left = [.. _waiting, .. _written];
            _waiting.Clear();
            _written.Clear();
            Monitor.PulseAll(_gate);
        }

        _writer?.Join();
        left.ForEach(r => r.Owner.DropStreamed(r));
        lock (_gate)
        {
            while (_free.TryPop(out var free))
            {
                ((IDisposable)free).Dispose();
            }
        }
    }

    private void Write()
    {
        // Refused in no container; and if it were, the writer would only be as quick as everybody else.
        _ = Interop.setpriority(Interop.PRIO_PROCESS, 0, Niceness);
        while (true)
        {
            StreamedRange range;
            lock (_gate)
            {
                while (_waiting.First is null)
                {
                    if (_isClosed)
                    {
                        return;
                    }

                    Monitor.Wait(_gate);
                }

                range = _waiting.First.Value;
                _waiting.RemoveFirst();
            }

            range.Owner.KeepStreamed(range);
        }
    }
}
