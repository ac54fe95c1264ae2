using Floe.FileSystem.Content;
using Floe.FileSystem.Inodes;
using Floe.Fuse;

namespace Floe.FileSystem.Operations;

/// <summary>
/// Files that are being removed or replaced: their bytes may be nowhere a moment later. Who has one open keeps them, and who opens one waits how that
/// ends: it opens what the name stands for then. And names that are being made.
/// </summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>Until the result is disposed of, nobody opens the file, and its name is what this mount says of it.</summary>
    private LeavingFile Leave(Node node)
    {
        lock (Gate)
        {
            node.Leaving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return new LeavingFile(this, node);
        }
    }

    /// <summary>
    /// Until the result is disposed of, a name that the folder has not got is not there, whatever the bucket says: whoever makes it adds it. The folder's
    /// lock (<see cref="Directories.FolderState.Changing"/>) is held.
    /// </summary>
    /// <param name="name">Null: none.</param>
    private ArrivingName Arrive(Node folder, string? name)
    {
        lock (Gate)
        {
            folder.Folder!.Arriving = name;
            return new ArrivingName(this, folder);
        }
    }

    /// <summary>
    /// What a use of a file's content gives, under the lock. A file without one, in a folder that is being renamed, gets it when that is done: the
    /// rename does not know it, and it would go on at the old key.
    /// </summary>
    /// <exception cref="FuseException">ESTALE: the file was removed, and nobody kept its bytes; the kernel looks its name up again.</exception>
    private async ValueTask<T> WithContentAsync<T>(Node node, Func<FileContent, T> use, CancellationToken cancellationToken)
    {
        const int ESTALE = 116;
        while (true)
        {
            Task? left;
            lock (Gate)
            {
                left = node.Leaving?.Task;
                if (left is null && node is { IsUnlinked: true, Content: not { IsOpen: true } })
                {
                    throw new FuseException(ESTALE, "the file was removed meanwhile");
                }

                if (left is null && (node.Content is not null || !IsMoving(node)))
                {
                    return use(ContentOf(node));
                }
            }

            if (left is not null)
            {
                await left.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            else
            {
                await MovedAsync(cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private readonly struct ArrivingName(ObjectFileSystem files, Node folder) : IDisposable
    {
        public void Dispose()
        {
            lock (files.Gate)
            {
                folder.Folder!.Arriving = null;
            }
        }
    }

    private readonly struct LeavingFile(ObjectFileSystem files, Node node) : IDisposable
    {
        public void Dispose()
        {
            if (node is not null)
            {
                lock (files.Gate)
                {
                    node.Leaving!.SetResult();
                    node.Leaving = null;
                }
            }
        }
    }
}
