using System.IO.Hashing;
using System.Text;
using Floe.S3;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Operations;

/// <summary>
/// The objects of a folder that is being renamed, and their copies. A folder may hold millions, so most are only known again, by 16 bytes each; those
/// of files that the mount knows are kept as they are.
/// </summary>
/// <param name="known">Keys, before the rename, of the files that the mount knows.</param>
internal sealed class MovedObjects(HashSet<string> known)
{
    // Nobody can choose keys whose marks are the same.
    private readonly long _seed = Random.Shared.NextInt64();
    private readonly Lock _lock = new();
    private readonly HashSet<UInt128> _originals = [];
    private readonly HashSet<UInt128> _copies = [];
    private readonly Dictionary<string, (ObjectVersion Original, ObjectVersion Copy)> _known = new(StringComparer.Ordinal);

    /// <summary>Whether the folder has an object of its own.</summary>
    public bool HasMarker { get; private set; }

    public void Add(ObjectVersion original, ObjectVersion copy, bool isMarker)
    {
        lock (_lock)
        {
            _originals.Add(MarkOf(original.Key, original.ETag));
            _copies.Add(MarkOf(copy.Key, copy.ETag));
            HasMarker |= isMarker;
            if (known.Contains(original.Key))
            {
                _known[original.Key] = (original, copy);
            }
        }
    }

    /// <summary>The folder's own object, which was made anew.</summary>
    public void AddMarker(string key, ETag etag)
    {
        lock (_lock)
        {
            _copies.Add(MarkOf(key, etag));
            HasMarker = true;
        }
    }

    public bool IsOriginal(ObjectVersion version)
    {
        lock (_lock)
        {
            return _originals.Contains(MarkOf(version.Key, version.ETag));
        }
    }

    public bool IsCopy(ObjectVersion version)
    {
        lock (_lock)
        {
            return _copies.Contains(MarkOf(version.Key, version.ETag));
        }
    }

    /// <summary>The object of a known file and its copy; null: it had none.</summary>
    public (ObjectVersion Original, ObjectVersion Copy)? KnownAt(string key)
    {
        lock (_lock)
        {
            return _known.TryGetValue(key, out var both) ? both : null;
        }
    }

    private UInt128 MarkOf(string key, ETag etag) => XxHash128.HashToUInt128(Encoding.UTF8.GetBytes($"{key}\n{etag.Value}"), _seed);
}
