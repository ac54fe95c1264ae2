namespace Floe.FileSystem.Content;

/// <summary>
/// Recognises readers that go through a file in order, several at once, and says how far ahead of each to fetch: twice as far every time
/// that the reader has come on, from 1 MiB up to a limit. A reader that jumps starts again without any. Not synchronised.
/// </summary>
internal sealed class ReadAhead(long maxBytes)
{
    private const int MaxReaders = 8;
    private const long MinWindow = 1 << 20;

    // The kernel sends the requests of one reader in parallel, so they come a little out of order.
    private const long Slack = 2 << 20;

    private readonly List<(long Next, long Window, long Grown)> _readers = [];

    /// <summary>Where fetching should have come to, given this read; at least the read's own end.</summary>
    public long Note(long offset, int count)
    {
        var end = offset + count;
        for (var i = 0; i < _readers.Count; i++)
        {
            var (next, window, grown) = _readers[i];
            if (offset < next - Slack || offset > next + Slack)
            {
                continue;
            }

            if (end <= next)
            {
                // Nothing new: a request that was overtaken, or the same one again.
                return Math.Max(end, next + window);
            }

            _readers.RemoveAt(i);
            next = end;
            if (window == 0)
            {
                (window, grown) = (MinWindow, next);
            }
            else if (next - grown >= window / 4)
            {
                (window, grown) = (Math.Min(window * 2, maxBytes), next);
            }

            _readers.Add((next, window, grown));
            return Math.Max(end, next + window);
        }

        if (_readers.Count == MaxReaders)
        {
            _readers.RemoveAt(0);
        }

        // A file is usually read from its start to its end.
        var first = offset == 0 ? MinWindow : 0;
        _readers.Add((end, first, end));
        return end + first;
    }
}
