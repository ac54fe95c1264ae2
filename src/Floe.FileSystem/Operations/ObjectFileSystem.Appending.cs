using Floe.FileSystem.Directories;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Operations;

/// <summary>Files that the process which serves the mount writes itself: going through the kernel it would wait for itself.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Appends share it; from a capture to <see cref="Resume"/> it is held alone.</summary>
    private readonly SharedLock _appending = new();

    private SharedLock.Holder? _standstill;

    /// <summary>Opens a file for appending, made where there is none, in a folder that is there.</summary>
    /// <param name="path">Below the mount's root, without a leading slash.</param>
    /// <param name="mode">Permissions of a file that is made.</param>
    /// <exception cref="FuseException">No such folder, or a folder or link has the name.</exception>
    public async Task<FileAppender> OpenAppenderAsync(string path, uint mode, CancellationToken cancellationToken)
    {
        const uint S_IFREG = Interop.S_IFREG;
        var names = path.Split('/');
        var folder = _inodes.Root.Ino;
        List<ulong> lookedUp = [];
        try
        {
            foreach (var name in names[..^1])
            {
                var entry = await LookupAsync(folder, name, cancellationToken).ConfigureAwait(false);
                if (entry.NodeId == 0)
                {
                    throw NoSuch(name);
                }

                lookedUp.Add(folder = entry.NodeId);
            }

            var caller = new FuseCaller(_options.Uid, _options.Gid, (uint)Environment.ProcessId);
            var (made, opened) = await CreateAsync(folder, names[^1], S_IFREG | mode, O_WRONLY, caller, cancellationToken).ConfigureAwait(false);
            lookedUp.Add(made.NodeId);
            return new FileAppender(this, opened.Handle, path);
        }
        finally
        {
            // The handle keeps its node.
            lookedUp.ForEach(ino => Forget(ino, 1));
        }
    }

    internal async ValueTask AppendAsync(ulong handle, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _contents.HandedOver);
        try
        {
            using var appending = await _appending.EnterSharedAsync(stop.Token).ConfigureAwait(false);
            ObjectDisposedException.ThrowIf(_contents.HandedOver.IsCancellationRequested, this);
            var file = FileOf(handle);
            await file.Content.AppendAsync(bytes, cancellationToken).ConfigureAwait(false);
            Wrote(file.Node, killsPrivileges: false);
        }
        catch (OperationCanceledException) when (_contents.HandedOver.IsCancellationRequested)
        {
            throw new ObjectDisposedException("the mount", "another machine goes on with the task and its files");
        }
    }

    /// <summary>No append is under way when this returns, and none begins before <see cref="Resume"/>.</summary>
    private async Task StandStillAsync(CancellationToken cancellationToken) =>
        _standstill ??= await _appending.EnterAloneAsync(cancellationToken).ConfigureAwait(false);

    private void GoOn()
    {
        var standstill = _standstill;
        _standstill = null;
        standstill?.Dispose();
    }
}
