namespace Floe.Criu.Streaming;

/// <summary>
/// What the small images of a dump take in memory together, those still arriving included: they stay there until the commit, and
/// a task may have thousands of unlinked files or of pagemaps just below a stream's size. For one thread.
/// </summary>
internal sealed class SmallImageRoom
{
    private long _taken;

    /// <summary>Takes room for <paramref name="more"/> bytes of an image that has <paramref name="imageBytes"/> with them; false: it is to be a stream.</summary>
    public bool TryTake(long imageBytes, int more)
    {
        // A stream costs a request at the restore and megabytes at the dump while it is open: the smallest are never one.
        if (imageBytes > ImageStreamLimits.MinStreamBytes && _taken + more > ImageStreamLimits.MaxSmallImagesBytes)
        {
            return false;
        }

        _taken += more;
        return true;
    }

    /// <summary>An image became a stream.</summary>
    public void GiveBack(int bytes) => _taken -= bytes;
}
