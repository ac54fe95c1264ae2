using Floe.Agent.Stdio;
using Floe.FileSystem.Operations;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Mounts;

/// <summary>
/// A copy of the task's output in a file of its mount; like any open file it travels with a snapshot, at exactly the length that it has then. A copy
/// that fails ends: the output itself goes on.
/// </summary>
internal sealed partial class MountedOutput(FileAppender file, ILogger logger) : IOutputCopy
{
    private volatile bool _hasFailed;

    public void Append(ReadOnlySpan<byte> data)
    {
        if (_hasFailed)
        {
            return;
        }

        try
        {
            file.AppendAsync(data.ToArray(), CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }
        catch (Exception e)
        {
            _hasFailed = true;
            if (e is not ObjectDisposedException)
            {
                LogFailed(file.Path, e.Message);
            }
        }
    }

    [LoggerMessage(EventId = 4710, Level = LogLevel.Error, Message = "{File} gets no more of the command's output: {Reason}")]
    private partial void LogFailed(string file, string reason);
}
