namespace Floe.FileSystem.Content;

/// <summary>
/// Recognises readers that go through a file in order, several at once, and says how far ahead of each to fetch, from 1 MiB up to a limit: eight
/// times as far every time that the reader has come on and had to wait, twice as far when it had not, and then only up to what most networks
/// need: what is fetched too early has left the processor's caches when it is read. A reader that jumps starts again without any. Not synchronised.
/// </summary>
internal sealed class ReadAhead(long maxBytes)
{
    private const int MaxReaders = 8;
    private const long MinWindow = 1 << 20;
    private const long EasyWindow = 16 << 20;

    // The kernel sends the requests of one reader in parallel, so they come a little out of order.
    private const long Slack = 2 << 20;

    private readonly List<(long Next, long Window, long Grown, bool Waited)> _readers = [];

    /// <summary>Where fetching should have come to, given this read; at least the read's own end.</summary>
    /// <param name="isHere">Whether the reader has its bytes without waiting.</param>
    public long Note(long offset, int count, bool isHere)
    {
        var end = offset + count;
        for (var i = 0; i < _readers.Count; i++)
        {
            var (next, window, grown, waited) = _readers[i];
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
            waited |= !isHere;
            if (window == 0)
            {
                (window, grown, waited) = (MinWindow, next, false);
            }
            else if (next - grown >= window / 4 && (waited || window < EasyWindow))
            {
                (window, grown, waited) = (Math.Min(window * (waited ? 8 : 2), maxBytes), next, false);
            }

            _readers.Add((next, window, grown, waited));
            return Math.Max(end, next + window);
        }

        if (_readers.Count == MaxReaders)
        {
            _readers.RemoveAt(0);
        }

        // A file is usually read from its start to its end.
        var first = offset == 0 ? MinWindow : 0;
        _readers.Add((end, first, end, false));
        return end + first;
    }
}
