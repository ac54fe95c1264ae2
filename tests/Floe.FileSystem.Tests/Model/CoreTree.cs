using Floe.FileSystem.Tests.Core;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Tests.Model;

/// <summary>The file system without a mount. What the kernel checks by itself on the way is left to the paths that the test chooses.</summary>
internal sealed class CoreTree(Tree tree) : ITree
{
    private const uint O_CREAT = Interop.O_CREAT;
    private readonly Dictionary<int, (ulong Handle, ulong Node, bool Appends)> _open = [];

    public Task<int> OpenAsync(int slot, string path, uint flags, uint mode) => Try(async () =>
    {
        var existing = await tree.TryFindAsync(path);
        if (existing is { } entry)
        {
            if ((flags & O_CREAT) != 0 && (flags & Interop.O_EXCL) != 0)
            {
                throw new FuseException(Errno.EEXIST, path);
            }

            if ((entry.Attributes.Mode & Interop.S_IFMT) == Interop.S_IFDIR && (flags & 3) == 0 && (flags & O_CREAT) == 0)
            {
                throw new InvalidOperationException("the test opens no folders");
            }

            _open[slot] = ((await tree.Files.OpenAsync(entry.NodeId, flags, default)).Handle, entry.NodeId, (flags & Interop.O_APPEND) != 0);
            return;
        }

        if ((flags & O_CREAT) == 0)
        {
            throw new FuseException(Errno.ENOENT, path);
        }

        var parent = path.Contains('/', StringComparison.Ordinal) ? path[..path.LastIndexOf('/')] : "";
        var folder = await tree.FindAsync(parent);
        var (made, opened) = await tree.Files.CreateAsync(folder.NodeId, path[(path.LastIndexOf('/') + 1)..], mode, flags, Tree.Caller, default);
        if (folder.NodeId != 1)
        {
            tree.Files.Forget(folder.NodeId, 1);
        }

        _open[slot] = (opened.Handle, made.NodeId, (flags & Interop.O_APPEND) != 0);
    });

    public Task<int> CloseAsync(int slot) => Try(() =>
    {
        if (!_open.Remove(slot, out var file))
        {
            throw new FuseException(Errno.EBADF, "");
        }

        tree.Files.Release(file.Handle);
        tree.Files.Forget(file.Node, 1);
        return Task.CompletedTask;
    });

    public Task<int> WriteAsync(int slot, long offset, byte[] data) => Try(async () =>
    {
        var (handle, node, appends) = _open[slot];
        // As the kernel does it.
        var at = appends ? (long)(await tree.Files.GetAttributesAsync(node, default)).Attributes.Size : offset;
        await tree.Files.WriteAsync(handle, at, data, killsPrivileges: false, default);
    });

    public Task<int> TruncateAsync(int slot, long size) => Try(() =>
        tree.Files.SetAttributesAsync(_open[slot].Node, new FuseSetAttributes { Size = (ulong)size, Handle = _open[slot].Handle }, Tree.Caller, default).AsTask());

    public async Task<string> ReadAsync(int slot)
    {
        var (handle, node, _) = _open[slot];
        var stat = (await tree.Files.GetAttributesAsync(node, default)).Attributes;
        var buffer = Contents.Rent();
        try
        {
            var read = await tree.ReadAsync(handle, buffer);
            return $"{stat.Size} {(stat.NLink == 0 ? "unlinked" : "named")} {Contents.Describe(buffer.AsSpan(0, read))}";
        }
        catch (Exception e) when (StoreErrno.Of(e) != Errno.EIO)
        {
            return $"errno {StoreErrno.Of(e)}";
        }
        finally
        {
            Contents.Return(buffer);
        }
    }

    public Task<int> MakeFolderAsync(string path) => Try(() => tree.MakeFolderAsync(path));

    public Task<int> RemoveFolderAsync(string path) => Try(() => tree.RemoveFolderAsync(path));

    public Task<int> UnlinkAsync(string path) => Try(() => tree.UnlinkAsync(path));

    public Task<int> RenameAsync(string from, string to) => Try(() => tree.RenameAsync(from, to));

    public Task<int> LinkAsync(string path, string target) => Try(() => tree.LinkAsync(path, target));

    public Task<int> ChangeModeAsync(string path, uint mode) => Try(() => tree.ChangeAsync(path, new FuseSetAttributes { Mode = mode }));

    public Task<int> ChangeOwnerAsync(string path, uint uid, uint gid) => Try(() => tree.ChangeAsync(path, new FuseSetAttributes { Uid = uid, Gid = gid }));

    public Task<int> SetTimesAsync(string path, long seconds, uint nanos)
    {
        var time = new FuseTime(new UnixTime(seconds, nanos));
        return Try(() => tree.ChangeAsync(path, new FuseSetAttributes { ATime = time, MTime = time }));
    }

    public Task<int> TruncateAsync(string path, long size) => Try(async () =>
    {
        if ((await tree.StatAsync(path)).Mode is var mode && (mode & Interop.S_IFMT) == Interop.S_IFDIR)
        {
            throw new FuseException(Errno.EISDIR, path);
        }

        await tree.ChangeAsync(path, new FuseSetAttributes { Size = (ulong)size });
    });

    public async Task<string> AttributesAsync(string path) => Describe(await tree.StatAsync(path));

    public async Task<string> DescribeAsync(bool withAttributes)
    {
        var lines = new List<string>();
        await DescribeAsync("", withAttributes, lines);
        return string.Join('\n', lines.Order(StringComparer.Ordinal));
    }

    private static string Describe(FuseAttributes stat) =>
        Contents.DescribeAttributes(stat.Mode, stat.Uid, stat.Gid, stat.MTime.Seconds, stat.MTime.Nanos);

    private async Task DescribeAsync(string path, bool withAttributes, List<string> lines)
    {
        foreach (var (piece, listed) in await tree.ListAsync(path, entriesPerCall: 3))
        {
            var name = path.Length == 0 ? piece : $"{path}/{piece}";
            var stat = await tree.StatAsync(name);
            if (listed != (stat.Mode & Interop.S_IFMT))
            {
                lines.Add($"{name} is listed as {listed:X} and is {stat.Mode & Interop.S_IFMT:X}");
            }

            var attributes = withAttributes ? " " + Describe(stat) : "";
            switch (listed)
            {
                case Interop.S_IFDIR:
                    lines.Add($"{name}/{attributes}");
                    await DescribeAsync(name, withAttributes, lines);
                    break;
                case Interop.S_IFLNK:
                    lines.Add($"{name} -> {await tree.ReadLinkAsync(name)}");
                    break;
                default:
                    var handle = await tree.OpenAsync(name, Tree.ReadOnly);
                    var buffer = Contents.Rent();
                    var read = await tree.ReadAsync(handle, buffer);
                    tree.Files.Release(handle);
                    lines.Add($"{name} {Contents.Describe(buffer.AsSpan(0, read))}{attributes}");
                    Contents.Return(buffer);
                    break;
            }
        }
    }

    private static async Task<int> Try(Func<Task> action)
    {
        try
        {
            await action();
            return 0;
        }
        catch (Exception e) when (StoreErrno.Of(e) != Errno.EIO)
        {
            return StoreErrno.Of(e);
        }
    }
}
