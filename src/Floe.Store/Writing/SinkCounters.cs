namespace Floe.Store.Writing;

/// <summary>What one sink has taken in; bytes. Written by its thread alone, read by any.</summary>
internal sealed class SinkCounters
{
    private long _raw;
    private long _zero;
    private long _dedup;
    private long _blocks;

    public long Raw => Volatile.Read(ref _raw);

    public long Zero => Volatile.Read(ref _zero);

    public long Dedup => Volatile.Read(ref _dedup);

    public long Blocks => Volatile.Read(ref _blocks);

    public void AddZero(long bytes)
    {
        Volatile.Write(ref _raw, _raw + bytes);
        Volatile.Write(ref _zero, _zero + bytes);
    }

    public void AddBlock(int bytes, bool isKnown)
    {
        Volatile.Write(ref _raw, _raw + bytes);
        Volatile.Write(ref _blocks, _blocks + 1);
        if (isKnown)
        {
            Volatile.Write(ref _dedup, _dedup + bytes);
        }
    }
}

internal readonly record struct SinkTotals(long Raw, long Zero, long Dedup, long Blocks)
{
    public static SinkTotals Of(SinkCounters counters) => new(counters.Raw, counters.Zero, counters.Dedup, counters.Blocks);

    public static SinkTotals operator +(SinkTotals a, SinkTotals b) => new(a.Raw + b.Raw, a.Zero + b.Zero, a.Dedup + b.Dedup, a.Blocks + b.Blocks);
}
