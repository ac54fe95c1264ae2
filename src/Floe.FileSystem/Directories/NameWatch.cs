namespace Floe.FileSystem.Directories;

/// <summary>
/// Which names of a folder this mount has changed since a page of its listing was asked for: what the page says of them may be of before, and would undo
/// what has happened since. Lives as long as the page is held. Guarded by the inode table's lock.
/// </summary>
internal sealed class NameWatch
{
    // Of more, all are taken for changed: the memory of an open folder stays small however much is made in it.
    private const int MaxNames = 256;

    private Dictionary<string, bool?>? _changed = new(StringComparer.Ordinal);

    public void Note(in NameChange change)
    {
        if (_changed is { } changed)
        {
            changed[change.Name] = change.IsThere;
            _changed = changed.Count <= MaxNames && change.Name != NameChange.Every ? changed : null;
        }
    }

    /// <summary>Whether the page's word about a name no longer counts.</summary>
    /// <param name="isThere">Null: nobody knows.</param>
    public bool HasChanged(string name, out bool? isThere)
    {
        isThere = null;
        return _changed is null || _changed.TryGetValue(name, out isThere);
    }
}
