namespace Floe.Fuse;

/// <summary>
/// A file system as the kernel asks for it: by node ids, with names that are bytes (1 to 255, no '/', not "." or ".."). Methods are called at the
/// same time from several threads, may complete later, and fail with <see cref="FuseException"/>; <see cref="ErrnoOf"/> translates all others.
/// The token is cancelled when the calling process is being killed. Buffers are borrowed until the task ends. Permissions are the kernel's
/// business (default_permissions), from the attributes that are answered here.
/// </summary>
public interface IFuseFileSystem
{
    /// <summary>The errno of a failure that is neither a <see cref="FuseException"/> nor a cancellation. What becomes EIO is logged.</summary>
    int ErrnoOf(Exception error);

    /// <summary>The file of a name; <see cref="FuseEntry.None"/> where there is none.</summary>
    ValueTask<FuseEntry> LookupAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken);

    /// <summary>The kernel gives back lookups of a node.</summary>
    void Forget(ulong node, ulong lookups);

    ValueTask<FuseAttributesReply> GetAttributesAsync(ulong node, ulong? handle, CancellationToken cancellationToken);

    ValueTask<FuseAttributesReply> SetAttributesAsync(ulong node, FuseSetAttributes change, FuseCaller caller, CancellationToken cancellationToken);

    ValueTask<ReadOnlyMemory<byte>> ReadLinkAsync(ulong node, CancellationToken cancellationToken);

    ValueTask<FuseEntry> SymLinkAsync(ulong parent, ReadOnlyMemory<byte> name, ReadOnlyMemory<byte> target, FuseCaller caller, CancellationToken cancellationToken);

    /// <param name="mode">Type and permissions, the umask already taken off.</param>
    ValueTask<FuseEntry> MakeNodeAsync(ulong parent, ReadOnlyMemory<byte> name, uint mode, uint device, FuseCaller caller, CancellationToken cancellationToken);

    ValueTask<FuseEntry> MakeDirectoryAsync(ulong parent, ReadOnlyMemory<byte> name, uint mode, FuseCaller caller, CancellationToken cancellationToken);

    ValueTask UnlinkAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken);

    ValueTask RemoveDirectoryAsync(ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken);

    /// <param name="released">As for <see cref="WriteAsync"/>: the call is not to wait for an upload any more.</param>
    ValueTask RenameAsync(
        ulong parent, ReadOnlyMemory<byte> name, ulong newParent, ReadOnlyMemory<byte> newName, FuseRenameFlags flags, CancellationToken released,
        CancellationToken cancellationToken);

    /// <summary>A hard link. EOPNOTSUPP where there are none.</summary>
    ValueTask<FuseEntry> LinkAsync(ulong node, ulong parent, ReadOnlyMemory<byte> name, CancellationToken cancellationToken);

    /// <param name="flags">Of open(2), O_TRUNC included, without O_CREAT and O_EXCL.</param>
    /// <param name="killsPrivileges">Whether O_TRUNC takes off set-user-id and set-group-id.</param>
    ValueTask<FuseOpened> OpenAsync(ulong node, uint flags, bool killsPrivileges, CancellationToken cancellationToken);

    /// <param name="killsPrivileges">As for <see cref="OpenAsync"/>, of a file that is there.</param>
    /// <param name="released">As for <see cref="WriteAsync"/>.</param>
    ValueTask<(FuseEntry Entry, FuseOpened Opened)> CreateAsync(
        ulong parent, ReadOnlyMemory<byte> name, uint mode, uint flags, bool killsPrivileges, FuseCaller caller, CancellationToken released, CancellationToken cancellationToken);

    /// <summary>A file without a name (O_TMPFILE).</summary>
    ValueTask<(FuseEntry Entry, FuseOpened Opened)> CreateUnnamedAsync(ulong parent, uint mode, uint flags, FuseCaller caller, CancellationToken cancellationToken);

    /// <summary>Bytes read; fewer than asked for only at the end of the file.</summary>
    ValueTask<FuseBytes> ReadAsync(ulong node, ulong handle, ulong offset, Memory<byte> destination, CancellationToken cancellationToken);

    /// <summary>Bytes written.</summary>
    /// <param name="killsPrivileges">Whether the write takes off set-user-id and set-group-id.</param>
    /// <param name="released">Cancelled when the caller is being frozen (<see cref="FuseServer.ReleasesTraced"/>): the call is not to wait for room any more.</param>
    ValueTask<int> WriteAsync(ulong node, ulong handle, ulong offset, ReadOnlyMemory<byte> data, bool killsPrivileges, CancellationToken released, CancellationToken cancellationToken);

    /// <summary>One descriptor of the open file is closed; an error here is what close(2) returns.</summary>
    ValueTask FlushAsync(ulong node, ulong handle, CancellationToken cancellationToken);

    /// <summary>The last descriptor is gone. Nobody hears of an error.</summary>
    ValueTask ReleaseAsync(ulong node, ulong handle);

    /// <param name="released">
    /// Cancelled when the caller is being frozen (<see cref="FuseServer.ReleasesTraced"/>): the call is to return, and what it waited for to go on.
    /// </param>
    ValueTask SyncAsync(ulong node, ulong handle, bool dataOnly, CancellationToken released, CancellationToken cancellationToken);

    ValueTask AllocateAsync(ulong node, ulong handle, ulong offset, ulong length, uint mode, CancellationToken cancellationToken);

    /// <summary>SEEK_DATA (3) and SEEK_HOLE (4); the others the kernel does itself.</summary>
    ValueTask<ulong> SeekAsync(ulong node, ulong handle, ulong offset, uint whence, CancellationToken cancellationToken);

    ValueTask<FuseOpened> OpenDirectoryAsync(ulong node, CancellationToken cancellationToken);

    /// <summary>Fills the buffer with entries from <paramref name="offset"/> on (0: the first); none: the end.</summary>
    ValueTask ReadDirectoryAsync(ulong node, ulong handle, ulong offset, IFuseDirectoryBuffer buffer, CancellationToken cancellationToken);

    ValueTask ReleaseDirectoryAsync(ulong node, ulong handle);

    ValueTask SyncDirectoryAsync(ulong node, ulong handle, CancellationToken cancellationToken);

    ValueTask<FuseStatFs> StatFileSystemAsync(CancellationToken cancellationToken);

    ValueTask<ReadOnlyMemory<byte>> GetExtendedAttributeAsync(ulong node, ReadOnlyMemory<byte> name, CancellationToken cancellationToken);

    ValueTask<IReadOnlyList<string>> ListExtendedAttributesAsync(ulong node, CancellationToken cancellationToken);
}
