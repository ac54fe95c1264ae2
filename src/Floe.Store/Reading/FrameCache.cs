namespace Floe.Store.Reading;

/// <summary>
/// One read's slots for decompressed frames, as many as <see cref="ReadMemory"/> lets it have. A frame is fetched once while anything ahead needs it,
/// and stays until its slot is wanted: least recently used goes first. Slots are taken by the planner alone and given back by the consumer.
/// </summary>
internal sealed class FrameCache(ReadMemory memory)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, FrameSlot> _byFrame = [];
    private readonly LinkedList<FrameSlot> _idle = new();
    private readonly HashSet<FrameSlot> _all = [];
    private int _cells;
    private TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The slot of a frame of <paramref name="rawBytes"/>, held for the caller, and whether the caller must have it filled. Without one, <paramref name="released"/> ends when it is worth another try.</summary>
    public (FrameSlot Slot, bool MustFill)? TryTake(int frame, int rawBytes, out Task released)
    {
        lock (_lock)
        {
            released = _released.Task;
            if (_byFrame.TryGetValue(frame, out var known))
            {
                Hold(known);
                return (known, false);
            }

            if (TryFree(FrameSlot.CellsOf(rawBytes)) is not { } slot)
            {
                return null;
            }

            slot.Assign(frame);
            _byFrame.Add(frame, slot);
            slot.Users = 1;
            return (slot, true);
        }
    }

    public void Release(FrameSlot slot)
    {
        lock (_lock)
        {
            if (--slot.Users > 0)
            {
                return;
            }

            slot.Idle = _idle.AddLast(slot);
            while (_idle.First is { } oldest && memory.IsTooMany(_cells))
            {
                GiveBack(oldest.Value);
            }
        }

        Wake();
    }

    /// <summary>Has the planner look again.</summary>
    public void Wake()
    {
        lock (_lock)
        {
            _released.TrySetResult();
            _released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Gives all memory back. Nothing may be filling or reading a slot any more.</summary>
    public void Free()
    {
        lock (_lock)
        {
            foreach (var slot in _all)
            {
                memory.Remove(slot);
            }

            _all.Clear();
            _cells = 0;
            _byFrame.Clear();
            _idle.Clear();
        }
    }

    private FrameSlot? TryFree(int cells)
    {
        while (true)
        {
            if (memory.TryAdd(_cells, cells) is { } fresh)
            {
                _all.Add(fresh);
                _cells += cells;
                return fresh;
            }

            if (_idle.First?.Value is not { } oldest)
            {
                return null;
            }

            if (oldest.Cells == cells)
            {
                Forget(oldest);
                return oldest;
            }

            GiveBack(oldest);
        }
    }

    private void GiveBack(FrameSlot unused)
    {
        Forget(unused);
        _all.Remove(unused);
        _cells -= unused.Cells;
        memory.Remove(unused);
    }

    /// <summary>An unused slot holds its frame no more.</summary>
    private void Forget(FrameSlot slot)
    {
        _idle.Remove(slot.Idle!);
        slot.Idle = null;
        _byFrame.Remove(slot.Frame);
    }

    private void Hold(FrameSlot slot)
    {
        slot.Users++;
        if (slot.Idle is { } node)
        {
            _idle.Remove(node);
            slot.Idle = null;
        }
    }
}
