namespace Floe.Store;

/// <summary>Where captured state goes: named streams of blocks, and small images that are kept whole and fetched first. Safe for concurrent use.</summary>
public interface ISnapshotContent
{
    /// <summary>Adds an empty stream. Names are unique in a snapshot, '/'-separated: <c>criu/pages-1.img</c>, <c>files/content/17</c>.</summary>
    StreamId AddStream(string name);

    /// <summary>A sink for the calling thread. Dispose it when the thread has no more segments: that flushes its open frame.</summary>
    IBlockSink CreateSink();

    /// <summary>Adds a small image (at most 1 MiB each; larger ones are streams) that travels inside the index. The array's ownership passes.</summary>
    void AddSmallImage(string name, byte[] content);
}
