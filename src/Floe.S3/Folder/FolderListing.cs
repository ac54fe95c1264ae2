using System.IO.Enumeration;
using System.Runtime.CompilerServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>Lists a folder as S3 lists a bucket: in the byte order of whole keys, one directory's names in memory at a time for each level.</summary>
internal sealed class FolderListing(StoreUrl store, SafeFileHandle root, FolderCalls calls)
{
    /// <summary>The store's own folder, never listed and no key.</summary>
    public const string OwnFolder = ".floe";

    private readonly record struct Entry(string Name, FolderFile? File)
    {
        /// <summary>What the name contributes to the order of keys: a directory's goes on with a slash.</summary>
        public string SortKey => File is null ? Name + "/" : Name;
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var slash = prefix.LastIndexOf('/');
        var open = new Stack<(string Path, IEnumerator<Entry> Entries)>();
        var start = slash < 0 ? "" : prefix[..(slash + 1)];
        open.Push((start, await ReadAsync(start, prefix[(slash + 1)..], cancellationToken).ConfigureAwait(false)));
        while (open.TryPeek(out var level))
        {
            if (!level.Entries.MoveNext())
            {
                open.Pop();
                continue;
            }

            var entry = level.Entries.Current;
            var key = level.Path + entry.Name;
            if (entry.File is { } file)
            {
                yield return new ObjectInfo(new ObjectKey(key), file.Size, file.ETag, file.LastModified);
            }
            else
            {
                open.Push((key + "/", await ReadAsync(key + "/", "", cancellationToken).ConfigureAwait(false)));
            }
        }
    }

    /// <summary>Folders that hold an object somewhere; empty ones are leftovers that S3 would not know either.</summary>
    public async IAsyncEnumerable<string> ListFoldersAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var entries = await ReadAsync(prefix, "", cancellationToken).ConfigureAwait(false);
        while (entries.MoveNext())
        {
            if (entries.Current.File is null)
            {
                var folder = $"{prefix}{entries.Current.Name}/";
                await foreach (var _ in ListAsync(folder, cancellationToken).ConfigureAwait(false))
                {
                    yield return folder;
                    break;
                }
            }
        }
    }

    private async Task<IEnumerator<Entry>> ReadAsync(string path, string namePrefix, CancellationToken cancellationToken) =>
        (await calls.RunAsync(call => Read(path, namePrefix, call), canBeLeft: true, cancellationToken).ConfigureAwait(false)).GetEnumerator();

    private List<Entry> Read(string path, string namePrefix, FolderCall call)
    {
        var entries = new List<Entry>();
        // Without the trailing slash a symbolic link would not be refused by O_NOFOLLOW.
        var directoryPath = path.Length == 0 ? "." : path.TrimEnd('/');
        using var directory = Interop.openat(
            root, directoryPath, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
        if (directory.IsInvalid)
        {
            var errno = System.Runtime.InteropServices.Marshal.GetLastPInvokeError();
            return errno is Errno.ENOENT or Errno.ENOTDIR
                ? entries
                : throw FolderErrors.From(store, $"listing {path}", errno);
        }

        try
        {
            foreach (var name in Names(Path.Combine(store.Path, path)))
            {
                if (!name.StartsWith(namePrefix, StringComparison.Ordinal) || (path.Length == 0 && name == OwnFolder)
                    || !ObjectKeyRules.IsKey(path + name))
                {
                    continue;
                }

                call.MovesOn();
                if (FolderFile.TryStat(directory, name, out _, out var isDirectory) is { } file)
                {
                    entries.Add(new Entry(name, file));
                }
                else if (isDirectory)
                {
                    entries.Add(new Entry(name, null));
                }
            }
        }
        catch (DirectoryNotFoundException)
        {
            // Removed while it was read: its objects were deleted.
        }

        entries.Sort((a, b) => ObjectKeyRules.Compare(a.SortKey, b.SortKey));
        return entries;
    }

    private static FileSystemEnumerable<string> Names(string path) => new(
        path,
        (ref entry) => entry.FileName.ToString(),
        new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false, RecurseSubdirectories = false });
}
