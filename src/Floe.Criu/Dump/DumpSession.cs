using Floe.Criu.Streaming;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Dump;

internal static class DumpSession
{
    public static Task<DumpOutcome> RunAsync(
        TimeProvider time, ILogger logger, CriuInstallation criu, DumpRequest request, IImageSink sink,
        Func<FrozenTask, CancellationToken, Task> whileFrozen, CancellationToken cancellationToken)
        => throw new NotImplementedException();
}
