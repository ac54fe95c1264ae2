using Floe.FileSystem.Inodes;
using Floe.Fuse;
using Floe.Linux;
using Microsoft.Extensions.Logging;

namespace Floe.FileSystem.Operations;

/// <summary>
/// Objects that a life of this task wrote after the snapshot that the task was restored from. They are not what the task left, and what that was is not
/// to be had any more: whoever appended to one would have lines twice. Whoever makes the file anew is not disturbed.
/// </summary>
public sealed partial class ObjectFileSystem
{
    /// <exception cref="FuseException">EIO: the file's bytes are from a later life.</exception>
    private void RequireLeftByTask(Node node, bool becomesEmpty)
    {
        lock (Gate)
        {
            if (!node.IsOfLostLife || becomesEmpty)
            {
                return;
            }

            if (!node.IsLossTold)
            {
                node.IsLossTold = true;
                LogLost(node.Listed?.Bucket ?? "", node.Listed?.Key ?? node.Name);
            }

            throw new FuseException(Errno.EIO, $"{node.Name} was written after the snapshot");
        }
    }

    [LoggerMessage(3102, LogLevel.Error,
        "s3://{Bucket}/{Key} was written after the snapshot, by a life of this task that was lost; the task gets an error (EIO) for it unless it writes the file anew")]
    private partial void LogLost(string bucket, string key);
}
