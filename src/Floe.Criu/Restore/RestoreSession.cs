using Floe.Criu.Streaming;
using Floe.Linux.Processes;
using Microsoft.Extensions.Logging;

namespace Floe.Criu.Restore;

internal static class RestoreSession
{
    public static Task<ChildProcess> RunAsync(ILogger logger, CriuInstallation criu, RestoreRequest request, IImageSource source, CancellationToken cancellationToken)
        => throw new NotImplementedException();
}
