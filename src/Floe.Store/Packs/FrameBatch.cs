using Floe.Store.Coding;

namespace Floe.Store.Packs;

/// <summary>Frames that a sink has finished and that go into a pack side by side, so that what was captured together is read together.</summary>
internal sealed class FrameBatch
{
    private readonly List<(uint Frame, int Blocks)> _frames = [];

    public ByteWriter Entries { get; } = new();

    public IReadOnlyList<(uint Frame, int Blocks)> Frames => _frames;

    public int StoredBytes { get; private set; }

    public void Add(uint frame, int blocks, int storedBytes)
    {
        _frames.Add((frame, blocks));
        StoredBytes += storedBytes;
    }

    public void Clear()
    {
        _frames.Clear();
        Entries.Clear();
        StoredBytes = 0;
    }
}
