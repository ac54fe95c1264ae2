namespace Floe.Store.Reading;

/// <summary>
/// A fixed number of slots for decompressed frames. A frame is fetched once while anything ahead needs it, and stays until its
/// slot is wanted: least recently used goes first. Slots are taken by the planner alone and given back by the consumer.
/// </summary>
internal sealed class FrameCache(int maxSlots)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, FrameSlot> _byFrame = [];
    private readonly LinkedList<FrameSlot> _idle = new();
    private readonly List<FrameSlot> _all = [];
    private TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The frame's slot, held for the caller, and whether the caller must have it filled. Waits until a slot is free.</summary>
    public async ValueTask<(FrameSlot Slot, bool MustFill)> TakeAsync(int frame, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task released;
            lock (_lock)
            {
                if (_byFrame.TryGetValue(frame, out var known))
                {
                    Hold(known);
                    return (known, false);
                }

                if (TryFree() is { } slot)
                {
                    slot.Assign(frame);
                    _byFrame.Add(frame, slot);
                    slot.Users = 1;
                    return (slot, true);
                }

                released = _released.Task;
            }

            await released.WaitAsync(cancellationToken).ConfigureAwait(false);
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
            _released.TrySetResult();
            _released = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>Gives all memory back. Nothing may be filling or reading a slot any more.</summary>
    public void Free()
    {
        lock (_lock)
        {
            _all.ForEach(s => s.Dispose());
            _all.Clear();
            _byFrame.Clear();
            _idle.Clear();
        }
    }

    private FrameSlot? TryFree()
    {
        if (_all.Count < maxSlots)
        {
            var fresh = new FrameSlot();
            _all.Add(fresh);
            return fresh;
        }

        if (_idle.First is not { } oldest)
        {
            return null;
        }

        _idle.RemoveFirst();
        oldest.Value.Idle = null;
        _byFrame.Remove(oldest.Value.Frame);
        return oldest.Value;
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
