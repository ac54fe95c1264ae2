using System.Text;
using Floe.FileSystem.Content;
using Floe.FileSystem.Names;
using Floe.FileSystem.Operations;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Serving;

/// <summary>Puts an <see cref="ObjectFileSystem"/> on a mount: bytes of names become text, and each open gets the kernel's way of caching.</summary>
internal sealed class FuseAdapter(ObjectFileSystem files, TimeProvider time) : IFuseFileSystem
{
    private readonly TaskCompletionSource<Passthrough> _opens = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Passthrough? _passthrough;

    /// <summary>Set once the kernel has told what it can do. Opens that come before wait for it.</summary>
    public void Serve(FuseServer server)
    {
        _passthrough = new Passthrough(files, server, server.MayMapDirectIo, time);
        _opens.SetResult(_passthrough);
    }

    public int ErrnoOf(Exception error) => StoreErrno.Of(error);

    public ValueTask<FuseEntry> LookupAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken) =>
        files.LookupAsync(parent, Text(name), cancellationToken);

    public void Forget(ulong node, ulong lookups) => files.Forget(node, lookups);

    public ValueTask<FuseAttributesReply> GetAttributesAsync(ulong node, ulong? handle, CancellationToken cancellationToken) =>
        files.GetAttributesAsync(node, cancellationToken);

    public ValueTask<FuseAttributesReply> SetAttributesAsync(ulong node, FuseSetAttributes change, FuseCaller caller, CancellationToken cancellationToken) =>
        files.SetAttributesAsync(node, change, caller, cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>> ReadLinkAsync(ulong node, CancellationToken cancellationToken) =>
        await files.ReadLinkAsync(node, cancellationToken).ConfigureAwait(false);

    public ValueTask<FuseEntry> SymLinkAsync(ulong parent, ReadOnlyMemory<byte> name, ReadOnlyMemory<byte> target, FuseCaller caller, CancellationToken cancellationToken) =>
        files.MakeLinkAsync(parent, Changed(name), target, caller, cancellationToken);

    public ValueTask<FuseEntry> LinkAsync(ulong node, ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken) =>
        files.LinkGhostAsync(node, parent, Changed(name), cancellationToken);

    public ValueTask<FuseEntry> MakeNodeAsync(ulong parent, ReadOnlyMemory<byte> name, uint mode, uint device, FuseCaller caller, CancellationToken cancellationToken) =>
        files.MakeNodeAsync(parent, Changed(name), mode, caller, cancellationToken);

    public ValueTask<FuseEntry> MakeDirectoryAsync(ulong parent, ReadOnlyMemory<byte> name, uint mode, FuseCaller caller, CancellationToken cancellationToken) =>
        files.MakeFolderAsync(parent, Changed(name), mode, caller, cancellationToken);

    public ValueTask UnlinkAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken) =>
        files.UnlinkAsync(parent, Changed(name), cancellationToken);

    public ValueTask RemoveDirectoryAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken) =>
        files.RemoveFolderAsync(parent, Changed(name), cancellationToken);

    public ValueTask RenameAsync(
        ulong parent, ReadOnlyMemory<byte> name, ulong newParent, ReadOnlyMemory<byte> newName, FuseRenameFlags flags, CancellationToken released,
        CancellationToken cancellationToken) =>
        files.RenameAsync(parent, Changed(name), newParent, Changed(newName), flags, released, cancellationToken);

    public async ValueTask<FuseOpened> OpenAsync(ulong node, uint flags, bool killsPrivileges, CancellationToken cancellationToken) =>
        await OpenedAsync(node, await files.OpenAsync(node, flags, killsPrivileges, cancellationToken).ConfigureAwait(false), flags).ConfigureAwait(false);

    public async ValueTask<(FuseEntry Entry, FuseOpened Opened)> CreateAsync(
        ulong parent, ReadOnlyMemory<byte> name, uint mode, uint flags, bool killsPrivileges, FuseCaller caller, CancellationToken released, CancellationToken cancellationToken)
    {
        await files.HoldUpAsync(released, cancellationToken).ConfigureAwait(false);
        var (entry, opened) = await files.CreateAsync(parent, Changed(name), mode, flags, killsPrivileges, caller, cancellationToken).ConfigureAwait(false);
        return (entry, await CreatedAsync(entry.NodeId, opened, flags).ConfigureAwait(false));
    }

    public async ValueTask<(FuseEntry Entry, FuseOpened Opened)> CreateUnnamedAsync(
        ulong parent, uint mode, uint flags, FuseCaller caller, CancellationToken cancellationToken)
    {
        var (entry, opened) = await files.CreateUnnamedAsync(parent, mode, flags, caller, cancellationToken).ConfigureAwait(false);
        return (entry, await CreatedAsync(entry.NodeId, opened, flags).ConfigureAwait(false));
    }

    public ValueTask<FuseBytes> ReadAsync(ulong node, ulong handle, ulong offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var task = files.ReadOrLendAsync(handle, Offset(offset), destination, cancellationToken);
        return task.IsCompletedSuccessfully ? ValueTask.FromResult(BytesOf(task.Result)) : AwaitAsync(task);

        static async ValueTask<FuseBytes> AwaitAsync(ValueTask<FileBytes> reading) => BytesOf(await reading.ConfigureAwait(false));

        static FuseBytes BytesOf(FileBytes bytes) => bytes.Loan is { } loan ? new FuseBytes(loan.Bytes, loan) : new FuseBytes(bytes.Count);
    }

    public ValueTask<int> WriteAsync(ulong node, ulong handle, ulong offset, ReadOnlyMemory<byte> data, bool killsPrivileges, CancellationToken released, CancellationToken cancellationToken)
    {
        // Whoever writes has opened the file.
        var readers = _passthrough!.CountReaders(node);
        var task = files.WriteAsync(handle, Offset(offset), data, killsPrivileges, released, cancellationToken);
        var count = data.Length;
        if (!task.IsCompletedSuccessfully)
        {
            return AwaitAsync(task);
        }

        var dropping = WroteAsync();
        return dropping.IsCompletedSuccessfully ? ValueTask.FromResult(count) : AwaitDroppingAsync(dropping);

        async ValueTask<int> AwaitAsync(ValueTask writing)
        {
            await writing.ConfigureAwait(false);
            await WroteAsync().ConfigureAwait(false);
            return count;
        }

        async ValueTask<int> AwaitDroppingAsync(ValueTask dropping)
        {
            await dropping.ConfigureAwait(false);
            return count;
        }

        ValueTask WroteAsync() => _passthrough.WroteAsync(node, handle, Offset(offset), count, readers);
    }

    public ValueTask FlushAsync(ulong node, ulong handle, CancellationToken cancellationToken)
    {
        files.Flush(handle);
        return default;
    }

    public async ValueTask ReleaseAsync(ulong node, ulong handle) =>
        await (await _opens.Task.ConfigureAwait(false)).ReleaseAsync(node, handle).ConfigureAwait(false);

    public ValueTask SyncAsync(ulong node, ulong handle, bool dataOnly, CancellationToken released, CancellationToken cancellationToken) =>
        files.SyncAsync(handle, released, cancellationToken);

    public ValueTask AllocateAsync(ulong node, ulong handle, ulong offset, ulong length, uint mode, CancellationToken cancellationToken) =>
        files.AllocateAsync(handle, Offset(offset), Offset(length), mode, cancellationToken);

    public ValueTask<ulong> SeekAsync(ulong node, ulong handle, ulong offset, uint whence, CancellationToken cancellationToken) =>
        ValueTask.FromResult((ulong)files.Seek(handle, Offset(offset), whence));

    public ValueTask<FuseOpened> OpenDirectoryAsync(ulong node, CancellationToken cancellationToken) =>
        ValueTask.FromResult(new FuseOpened(files.OpenFolder(node), FuseOpenFlags.None));

    public ValueTask ReadDirectoryAsync(ulong node, ulong handle, ulong offset, IFuseDirectoryBuffer buffer, CancellationToken cancellationToken) =>
        files.ReadFolderAsync(handle, offset, buffer, cancellationToken);

    public ValueTask ReleaseDirectoryAsync(ulong node, ulong handle)
    {
        files.ReleaseFolder(handle);
        return default;
    }

    public ValueTask SyncDirectoryAsync(ulong node, ulong handle, CancellationToken cancellationToken) => files.SyncFolderAsync(handle, cancellationToken);

    public ValueTask<FuseStatFs> StatFileSystemAsync(CancellationToken cancellationToken) => ValueTask.FromResult(ObjectFileSystem.StatFileSystem());

    public async ValueTask<ReadOnlyMemory<byte>> GetExtendedAttributeAsync(ulong node, ReadOnlyMemory<byte> name, CancellationToken cancellationToken) =>
        await files.GetExtendedAttributeAsync(node, Encoding.UTF8.GetString(name.Span), cancellationToken).ConfigureAwait(false);

    public ValueTask<IReadOnlyList<string>> ListExtendedAttributesAsync(ulong node, CancellationToken cancellationToken) =>
        files.ListExtendedAttributesAsync(node, cancellationToken);

    private async ValueTask<FuseOpened> OpenedAsync(ulong node, OpenedFile opened, uint flags) =>
        await (await _opens.Task.ConfigureAwait(false)).OpenedAsync(node, opened, flags).ConfigureAwait(false);

    /// <summary>The same of a file whose entry the kernel gets with it, or never.</summary>
    private async ValueTask<FuseOpened> CreatedAsync(ulong node, OpenedFile opened, uint flags)
    {
        try
        {
            return await OpenedAsync(node, opened, flags).ConfigureAwait(false);
        }
        catch
        {
            files.Forget(node, 1);
            throw;
        }
    }

    /// <summary>A name that is made, renamed or removed.</summary>
    private string Changed(ReadOnlyMemory<byte> name) => Text(name) is var text && text != files.RootOnlyName
        ? text : throw new FuseException(Errno.EPERM, $"'{text}' is Floe's own");

    private static string Text(ReadOnlyMemory<byte> name) => NameRules.FromBytes(name.Span);

    private static long Offset(ulong offset) => offset <= long.MaxValue ? (long)offset : throw new FuseException(Errno.EFBIG, "past what an object can hold");
}
