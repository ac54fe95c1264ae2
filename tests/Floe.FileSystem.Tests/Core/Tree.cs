using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Operations;
using Floe.FileSystem.Tests.Doubles;
using Floe.Fuse;
using Floe.Linux;
using Floe.S3.Buckets;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.FileSystem.Tests.Core;

/// <summary>
/// An <see cref="ObjectFileSystem"/> without a mount, used by paths: a small kernel that looks every piece of a path up and gives the lookups back.
/// </summary>
internal sealed class Tree : IAsyncDisposable
{
    public const string Bucket = "bucket";
    public const uint ReadOnly = 0;
    public const uint WriteOnly = 1;
    public const uint ReadWrite = 2;

    public static readonly FuseCaller Caller = new(0, 0, 1);

    private readonly ScratchFolder? _ownScratch;

    /// <param name="scratch">Null: one of its own.</param>
    public Tree(IBucketService buckets, FileSystemOptions? options = null, TimeProvider? time = null, ScratchFolder? scratch = null)
    {
        var folder = scratch ?? (_ownScratch = new ScratchFolder());
        Contents = new ContentStore(buckets, new ContentStoreOptions { CacheFolder = folder["cache"], MaxCacheBytes = 1 << 30 }, NullLoggerFactory.Instance, time);
        Files = new ObjectFileSystem(
            buckets, Contents, options ?? new FileSystemOptions { Root = new BucketFolder(Bucket, "") }, time ?? TimeProvider.System, NullLogger.Instance);
    }

    public ContentStore Contents { get; }

    public ObjectFileSystem Files { get; }

    /// <summary>The node of a path; the lookups of its folders are given back, its own is not.</summary>
    /// <exception cref="FuseException">ENOENT.</exception>
    public async Task<FuseEntry> FindAsync(string path) => await TryFindAsync(path) ?? throw new FuseException(Errno.ENOENT, path);

    public async Task<FuseEntry?> TryFindAsync(string path)
    {
        var ino = 1UL;
        var entry = new FuseEntry(1, 0, (await Files.GetAttributesAsync(1, default)).Attributes, default, default);
        foreach (var piece in path.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            entry = await Files.LookupAsync(ino, piece, default);
            if (ino != 1)
            {
                Files.Forget(ino, 1);
            }

            if (entry.NodeId == 0)
            {
                return null;
            }

            ino = entry.NodeId;
        }

        return entry;
    }

    public async Task<bool> ExistsAsync(string path)
    {
        if (await TryFindAsync(path) is not { } entry)
        {
            return false;
        }

        Files.Forget(entry.NodeId, 1);
        return true;
    }

    public async Task<FuseAttributes> StatAsync(string path)
    {
        var entry = await FindAsync(path);
        var reply = await Files.GetAttributesAsync(entry.NodeId, default);
        Files.Forget(entry.NodeId, 1);
        return reply.Attributes;
    }

    public async Task WriteAsync(string path, string text, uint mode = 0x1A4)
    {
        var handle = await CreateAsync(path, WriteOnly | Interop.O_TRUNC, mode);
        await Files.WriteAsync(handle, 0, Encoding.UTF8.GetBytes(text), killsPrivileges: false, default);
        Files.Release(handle);
    }

    public async Task<string> ReadAsync(string path)
    {
        var handle = await OpenAsync(path, ReadOnly);
        try
        {
            return await ReadAsync(handle);
        }
        finally
        {
            Files.Release(handle);
        }
    }

    public async Task<string> ReadAsync(ulong handle)
    {
        var buffer = new byte[1 << 20];
        return Encoding.UTF8.GetString(buffer, 0, await ReadAsync(handle, buffer));
    }

    /// <summary>Bytes from the file's start; gives how many.</summary>
    public async Task<int> ReadAsync(ulong handle, byte[] buffer)
    {
        var read = await Files.ReadOrLendAsync(handle, 0, buffer, default);
        using (read.Loan)
        {
            read.Loan?.Bytes.CopyTo(buffer);
        }

        return read.Count;
    }

    /// <summary>As the kernel: a node that is stale is looked up once more.</summary>
    public async Task<ulong> OpenAsync(string path, uint flags)
    {
        const int ESTALE = 116;
        for (var isAgain = false; ; isAgain = true)
        {
            var entry = await FindAsync(path);
            try
            {
                return (await Files.OpenAsync(entry.NodeId, flags, default)).Handle;
            }
            catch (FuseException e) when (e.Errno == ESTALE && !isAgain)
            {
            }
            finally
            {
                Files.Forget(entry.NodeId, 1);
            }
        }
    }

    public async Task<ulong> CreateAsync(string path, uint flags, uint mode = 0x1A4)
    {
        var (entry, opened) = await InAsync(path, (parent, name) => Files.CreateAsync(parent, name, mode, flags, Caller, default).AsTask());
        Files.Forget(entry.NodeId, 1);
        return opened.Handle;
    }

    public Task MakeFolderAsync(string path, uint mode = 0x1ED) =>
        EntryAsync(path, (parent, name) => Files.MakeFolderAsync(parent, name, mode, Caller, default).AsTask());

    public Task LinkAsync(string path, string target) =>
        EntryAsync(path, (parent, name) => Files.MakeLinkAsync(parent, name, Encoding.UTF8.GetBytes(target), Caller, default).AsTask());

    public async Task<string> ReadLinkAsync(string path)
    {
        var entry = await FindAsync(path);
        var target = await Files.ReadLinkAsync(entry.NodeId, default);
        Files.Forget(entry.NodeId, 1);
        return Encoding.UTF8.GetString(target);
    }

    public Task UnlinkAsync(string path) => InAsync(path, async (parent, name) =>
    {
        await Files.UnlinkAsync(parent, name, default);
        return true;
    });

    public Task RemoveFolderAsync(string path) => InAsync(path, async (parent, name) =>
    {
        await Files.RemoveFolderAsync(parent, name, default);
        return true;
    });

    public Task RenameAsync(string from, string to, FuseRenameFlags flags = FuseRenameFlags.None) => InAsync(from, (parent, name) => InAsync(to, async (newParent, newName) =>
    {
        await Files.RenameAsync(parent, name, newParent, newName, flags, default);
        return true;
    }));

    public async Task ChangeAsync(string path, FuseSetAttributes change)
    {
        var entry = await FindAsync(path);
        try
        {
            await Files.SetAttributesAsync(entry.NodeId, change, Caller, default);
        }
        finally
        {
            Files.Forget(entry.NodeId, 1);
        }
    }

    /// <summary>The names in a folder with their types, without the dots.</summary>
    public async Task<List<(string Name, uint Type)>> ListAsync(string path, int entriesPerCall = int.MaxValue, bool takesEntries = false)
    {
        var entry = await FindAsync(path);
        var handle = Files.OpenFolder(entry.NodeId);
        try
        {
            var names = new List<(string, uint)>();
            for (var offset = 0UL; ;)
            {
                var page = new ListBuffer(entriesPerCall, takesEntries);
                await Files.ReadFolderAsync(handle, offset, page, default);
                if (page.Entries.Count == 0)
                {
                    return names;
                }

                names.AddRange(page.Entries.Where(e => e.Name is not ("." or "..")).Select(e => (e.Name, e.Mode & Interop.S_IFMT)));
                page.Entries.ForEach(e => Files.Forget(e.Node, e.Node == 0 ? 0UL : 1));
                offset = page.Entries[^1].Next;
            }
        }
        finally
        {
            Files.ReleaseFolder(handle);
            Files.Forget(entry.NodeId, entry.NodeId == 1 ? 0UL : 1);
        }
    }

    /// <summary>Until all that was written is in the bucket.</summary>
    public async Task DrainAsync() => Xunit.Assert.Empty(await Files.DrainAsync(includingOpen: false, default));

    public async ValueTask DisposeAsync()
    {
        await Contents.DisposeAsync();
        _ownScratch?.Dispose();
    }

    private async Task EntryAsync(string path, Func<ulong, string, Task<FuseEntry>> make) => Files.Forget((await InAsync(path, make)).NodeId, 1);

    private async Task<T> InAsync<T>(string path, Func<ulong, string, Task<T>> action)
    {
        var slash = path.LastIndexOf('/');
        var parent = await FindAsync(slash < 0 ? "" : path[..slash]);
        try
        {
            if ((parent.Attributes.Mode & Interop.S_IFMT) != Interop.S_IFDIR)
            {
                throw new FuseException(Errno.ENOTDIR, path);
            }

            return await action(parent.NodeId, path[(slash + 1)..]);
        }
        finally
        {
            if (parent.NodeId != 1)
            {
                Files.Forget(parent.NodeId, 1);
            }
        }
    }

    internal sealed class ListBuffer(int room, bool takesEntries) : IFuseDirectoryBuffer
    {
        public List<(string Name, uint Mode, ulong Next, ulong Node)> Entries { get; } = [];

        public bool TakesEntries => takesEntries;

        public bool TryAdd(ReadOnlySpan<byte> name, ulong ino, uint mode, ulong nextOffset) => Add(name, mode, nextOffset, 0);

        public bool TryAdd(ReadOnlySpan<byte> name, in FuseEntry entry, ulong nextOffset) => Add(name, entry.Attributes.Mode, nextOffset, takesEntries ? entry.NodeId : 0);

        private bool Add(ReadOnlySpan<byte> name, uint mode, ulong next, ulong node)
        {
            if (Entries.Count >= room)
            {
                return false;
            }

            Entries.Add((Encoding.UTF8.GetString(name), mode, next, node));
            return true;
        }
    }
}
