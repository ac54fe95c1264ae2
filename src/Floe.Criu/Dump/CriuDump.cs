using Floe.Criu.Streaming;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Dump;

/// <summary>Dumps a task tree through CRIU's image stream.</summary>
public sealed class CriuDump(TimeProvider time, ILogger logger)
{
    /// <summary>
    /// Freezes the tree, sends its images to <paramref name="sink"/> and calls <paramref name="whileFrozen"/> with the tree
    /// held still and every image received. When that returns, CRIU kills the tree (or lets it run on); when it throws, or
    /// anything before it fails, or <paramref name="cancellationToken"/> fires, the tree runs on. The token that
    /// <paramref name="whileFrozen"/> gets also fires when CRIU dies.
    /// </summary>
    /// <exception cref="CriuException">CRIU could not dump the tree. It runs on.</exception>
    public Task<DumpOutcome> RunAsync(
        CriuInstallation criu, DumpRequest request, IImageSink sink, Func<FrozenTask, CancellationToken, Task> whileFrozen, CancellationToken cancellationToken)
        => DumpSession.RunAsync(time, logger, criu, request, sink, whileFrozen, cancellationToken);
}
