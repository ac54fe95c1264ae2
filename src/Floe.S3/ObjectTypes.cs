namespace Floe.S3;

/// <summary>Path of an object below its store's root: '/'-separated, no leading slash, no empty, "." or ".." part.</summary>
public readonly record struct ObjectKey(string Value)
{
    public override string ToString() => Value;
}

/// <summary>An object's version tag as the store gives it, quotes included.</summary>
public readonly record struct ETag(string Value)
{
    public override string ToString() => Value;
}

public sealed record ObjectInfo(ObjectKey Key, long Size, ETag ETag, DateTimeOffset LastModified);

/// <summary>A small object's bytes (owned by the receiver), its version, and the store's clock when it answered (null for a folder).</summary>
public sealed record SmallObject(byte[] Content, ETag ETag, DateTimeOffset? ServerTime);

/// <summary>What must hold for a PUT to take effect.</summary>
public readonly record struct PutCondition
{
    /// <summary>No condition.</summary>
    public static PutCondition None => default;

    /// <summary>Only if there is no such object (If-None-Match: *).</summary>
    public static PutCondition IfAbsent => new() { MustBeAbsent = true };

    /// <summary>Only if the object still has this ETag (If-Match).</summary>
    public static PutCondition IfMatch(ETag etag) => new() { MustMatch = etag };

    public bool MustBeAbsent { get; private init; }

    public ETag? MustMatch { get; private init; }
}
