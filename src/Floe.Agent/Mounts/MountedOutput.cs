using Floe.Agent.Stdio;
using Floe.FileSystem;
using Floe.FileSystem.Operations;
using Floe.Fuse;
using Floe.Linux;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Mounts;

/// <summary>
/// A file on the mount that the agent itself appends to. It goes through the tree in memory, never through the kernel, so the agent does not wait for
/// itself; like any open file it travels with a snapshot, at exactly the length it has then.
/// </summary>
internal sealed partial class MountedOutput : IOutputCopy
{
    private const uint WriteOnly = 1;

    private readonly ObjectFileSystem _files;
    private readonly ulong _handle;
    private readonly ILogger _logger;
    private readonly Lock _gate = new();
    private long _length;
    private bool _hasFailed;

    private MountedOutput(ObjectFileSystem files, ulong handle, long length, ILogger logger) =>
        (_files, _handle, _length, _logger) = (files, handle, length, logger);

    /// <summary>Opens or makes the file.</summary>
    /// <param name="goesOn">False: what is there is replaced.</param>
    public static async Task<MountedOutput> OpenAsync(
        ObjectFileSystem files, FileSystemOptions options, BucketFolder folder, string name, bool goesOn, ILogger logger, CancellationToken cancellationToken)
    {
        var caller = new FuseCaller(options.Uid, options.Gid, 0);
        const ulong Root = 1;
        var parent = Root;
        foreach (var part in PathBelow(options.Root, folder))
        {
            var entry = await files.LookupAsync(parent, part, cancellationToken).ConfigureAwait(false)
                ?? await files.MakeFolderAsync(parent, part, 0x1FF & ~options.UMask, caller, cancellationToken).ConfigureAwait(false);
            parent = entry.NodeId;
        }

        var flags = WriteOnly | (goesOn ? 0u : Interop.O_TRUNC);
        var (file, opened) = await files.CreateAsync(parent, name, Interop.S_IFREG | (0x1B6 & ~options.UMask), flags, caller, cancellationToken).ConfigureAwait(false);
        return new MountedOutput(files, opened.Handle, goesOn ? checked((long)file.Attributes.Size) : 0, logger);
    }

    public void Append(ReadOnlySpan<byte> data)
    {
        // Two streams write one file; each piece goes in whole.
        lock (_gate)
        {
            if (_hasFailed)
            {
                return;
            }

            try
            {
                _files.WriteAsync(_handle, _length, data.ToArray(), killsPrivileges: false, CancellationToken.None).AsTask().GetAwaiter().GetResult();
                _length += data.Length;
            }
            catch (Exception e)
            {
                // It is a copy: the task's own output goes on.
                _hasFailed = true;
                LogFailed(e.Message);
            }
        }
    }

    private static IEnumerable<string> PathBelow(BucketFolder? root, BucketFolder folder)
    {
        var names = folder.Prefix.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return root is null
            ? ["s3", folder.Bucket, .. names]
            : names.Skip(root.Prefix.Split('/', StringSplitOptions.RemoveEmptyEntries).Length);
    }

    [LoggerMessage(EventId = 4710, Level = LogLevel.Error, Message = "The copy of the command's output in its work folder ends here: {Reason}")]
    private partial void LogFailed(string reason);
}
