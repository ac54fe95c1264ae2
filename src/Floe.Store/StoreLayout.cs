using System.Globalization;
using Floe.S3;

namespace Floe.Store;

/// <summary>Where each object of the format lies (docs/format.md, "Objects").</summary>
internal static class StoreLayout
{
    public static readonly ObjectKey StoreFile = new("floe.json");
    public static readonly ObjectKey TasksPrefix = new("tasks/");

    public static ObjectKey TaskPrefix(TaskKey task) => new($"tasks/{task.Value}/");

    public static ObjectKey Lease(TaskKey task) => new($"tasks/{task.Value}/lease.json");

    /// <summary>What the agents say of the task's history; it outlives its snapshots.</summary>
    public static ObjectKey Trace(TaskKey task) => new($"tasks/{task.Value}/trace.json");

    /// <summary>What the agent of the first attempt found where the task works.</summary>
    public static ObjectKey Start(TaskKey task) => new($"tasks/{task.Value}/start.json");

    public static ObjectKey SnapshotsPrefix(TaskKey task) => new($"tasks/{task.Value}/snapshots/");

    public static ObjectKey PacksPrefix(TaskKey task) => new($"tasks/{task.Value}/packs/");

    public static ObjectKey Manifest(TaskKey task, long seq) =>
        new(string.Create(CultureInfo.InvariantCulture, $"tasks/{task.Value}/snapshots/{seq:D8}.json"));

    public static ObjectKey Index(TaskKey task, IndexName name) => new($"tasks/{task.Value}/snapshots/{name}");

    public static ObjectKey Pack(TaskKey task, PackName name) => new($"tasks/{task.Value}/packs/{name}");

    /// <summary>The seq in a manifest's key; null for any other key.</summary>
    public static long? TryParseManifest(TaskKey task, ObjectKey key)
    {
        var prefix = SnapshotsPrefix(task).Value;
        if (!key.Value.StartsWith(prefix, StringComparison.Ordinal) || !key.Value.EndsWith(".json", StringComparison.Ordinal))
        {
            return null;
        }

        var text = key.Value.AsSpan(prefix.Length, key.Value.Length - prefix.Length - 5);
        return TryParseNumber(text, out var seq) && Manifest(task, seq) == key ? seq : null;
    }

    /// <summary>The generation in the name of a pack or index; null for any other key.</summary>
    public static long? GenerationOf(TaskKey task, ObjectKey key) => TryParsePack(task, key)?.Generation ?? TryParseIndex(task, key)?.Generation;

    public static PackName? TryParsePack(TaskKey task, ObjectKey key) =>
        key.Value.StartsWith(PacksPrefix(task).Value, StringComparison.Ordinal) ? PackName.TryParse(key.Value.AsSpan(PacksPrefix(task).Value.Length)) : null;

    public static IndexName? TryParseIndex(TaskKey task, ObjectKey key) =>
        key.Value.StartsWith(SnapshotsPrefix(task).Value, StringComparison.Ordinal) ? IndexName.TryParse(key.Value.AsSpan(SnapshotsPrefix(task).Value.Length)) : null;

    /// <summary>Digits only, no sign, at most 18 of them.</summary>
    public static bool TryParseNumber(ReadOnlySpan<char> text, out long number)
    {
        number = 0;
        return text.Length is > 0 and <= 18 && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}

/// <summary>A pack's name below packs/: <c>GENERATION-NUMBER</c>, unique in its task.</summary>
internal readonly record struct PackName(long Generation, long Number)
{
    public static PackName? TryParse(ReadOnlySpan<char> text)
    {
        var dash = text.IndexOf('-');
        return dash > 0
            && StoreLayout.TryParseNumber(text[..dash], out var generation)
            && StoreLayout.TryParseNumber(text[(dash + 1)..], out var number)
            && text.SequenceEqual(new PackName(generation, number).ToString())
            ? new PackName(generation, number)
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Generation}-{Number}");
}

/// <summary>An index's name below snapshots/: <c>SEQ-GENERATION-NUMBER.index</c>, never written twice, so no commit can spoil another's.</summary>
internal readonly record struct IndexName(long Seq, long Generation, long Number)
{
    public static IndexName? TryParse(ReadOnlySpan<char> text)
    {
        if (!text.EndsWith(".index", StringComparison.Ordinal))
        {
            return null;
        }

        var dash = text.IndexOf('-');
        return dash > 0
            && StoreLayout.TryParseNumber(text[..dash], out var seq)
            && PackName.TryParse(text[(dash + 1)..^6]) is { } tail
            && text.SequenceEqual(new IndexName(seq, tail.Generation, tail.Number).ToString())
            ? new IndexName(seq, tail.Generation, tail.Number)
            : null;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Seq:D8}-{Generation}-{Number}.index");
}
