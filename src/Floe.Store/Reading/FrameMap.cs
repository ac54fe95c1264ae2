using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Packs;

namespace Floe.Store.Reading;

/// <summary>Every frame of a snapshot's packs, found by its id, and which of them were read and found whole. Safe for concurrent use.</summary>
internal sealed class FrameMap
{
    private readonly uint[] _ids;
    private readonly (int Pack, int Entry)[] _places;
    private readonly bool[] _whole;

    /// <param name="directories">Of the manifest's packs, in its order.</param>
    public FrameMap(TaskKey task, Manifest manifest, PackDirectory[] directories)
    {
        Seed = manifest.Seed;
        Keys = [.. manifest.Packs.Select(p => StoreLayout.Pack(task, PackName.TryParse(p.Name)!.Value))];
        Directories = directories;
        var count = directories.Sum(d => d.Frames.Length);
        _ids = new uint[count];
        _places = new (int, int)[count];
        _whole = new bool[count];
        var next = 0;
        for (var pack = 0; pack < directories.Length; pack++)
        {
            for (var entry = 0; entry < directories[pack].Frames.Length; entry++)
            {
                _ids[next] = directories[pack].Frames[entry].Frame;
                _places[next++] = (pack, entry);
            }
        }

        Array.Sort(_ids, _places);
        for (var i = 1; i < count; i++)
        {
            if (_ids[i] == _ids[i - 1])
            {
                throw new SnapshotDamagedException(Keys[_places[i].Pack].Value, $"frame {_ids[i]} is in another pack too");
            }
        }
    }

    public BlockSeed Seed { get; }

    public ObjectKey[] Keys { get; }

    public PackDirectory[] Directories { get; }

    public int Count => _ids.Length;

    /// <summary>The frame's position in this map, -1 when there is none. <paramref name="near"/> is tried first.</summary>
    public int Find(long frame, int near)
    {
        if ((uint)near < (uint)_ids.Length && _ids[near] == frame)
        {
            return near;
        }

        var found = frame is >= 0 and <= uint.MaxValue ? Array.BinarySearch(_ids, (uint)frame) : -1;
        return Math.Max(-1, found);
    }

    public uint Id(int position) => _ids[position];

    public int Pack(int position) => _places[position].Pack;

    public ref readonly FrameEntry Entry(int position) => ref Directories[_places[position].Pack].Frames[_places[position].Entry];

    public PackDirectory Directory(int position) => Directories[_places[position].Pack];

    /// <summary>The frame was fetched, and every block of it verified.</summary>
    public void FoundWhole(int position) => Volatile.Write(ref _whole[position], true);

    public bool IsKnownWhole(int position) => Volatile.Read(ref _whole[position]);
}
