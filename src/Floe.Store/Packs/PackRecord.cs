namespace Floe.Store.Packs;

/// <summary>A pack that an agent knows: one of its own, or one named by the snapshot it was restored from.</summary>
internal sealed class PackRecord(int index)
{
    /// <summary>1, 2, … in the order in which the agent came to know them.</summary>
    public int Index { get; } = index;

    /// <summary>Set once the pack is durable.</summary>
    public PackReference? Reference { get; private set; }

    public bool IsDurable => Reference is not null;

    public void BecomeDurable(PackReference reference) => Reference = reference;
}
