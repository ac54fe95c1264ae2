using Floe.Criu.Streaming;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Restore;

/// <summary>Restores a task tree through CRIU's image stream.</summary>
public sealed class CriuRestore(TimeProvider time, ILogger logger)
{
    /// <summary>
    /// Restores the tree with its old pids and lets it run. Its root becomes a child of this process, taken charge of before
    /// it runs its first instruction. When the source fails, nothing of the tree runs and the source's exception is thrown.
    /// </summary>
    /// <exception cref="CriuException">CRIU could not restore the tree; what existed of it is gone.</exception>
    public Task<ChildProcess> RunAsync(CriuInstallation criu, RestoreRequest request, IImageSource source, CancellationToken cancellationToken)
        => RestoreSession.RunAsync(time, logger, criu, request, source, cancellationToken);
}
