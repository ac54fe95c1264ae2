using Floe.S3.Buckets;

namespace Floe.FileSystem.Directories;

/// <summary>A name in the listing of a folder: a folder, or an object (null: made since the listing, to be asked about).</summary>
internal sealed record ListedName(string Name, bool IsFolder, ListedObject? Object)
{
    /// <summary>The prefix of its folder taken off.</summary>
    public string Key => IsFolder ? Name + "/" : Name;
}
