using Microsoft.Extensions.Logging;

namespace Floe.Agent.Notices;

/// <summary>
/// Google Cloud's preemption of Spot machines: <c>instance/preempted</c> turns TRUE about 30 s before the machine is stopped.
/// Source: Compute Engine documentation, "Spot VMs: preemption process".
/// </summary>
public sealed class GceNoticeSource(MetadataService metadata, TimeSpan interval, TimeProvider time, ILogger<GceNoticeSource> logger)
    : PolledNoticeSource("Google Cloud", interval, time, logger)
{
    /// <summary>The time that Google promises.</summary>
    public static readonly TimeSpan NoticeWindow = TimeSpan.FromSeconds(30);

    private const string Flavor = "Metadata-Flavor";
    private const string Path = "computeMetadata/v1/instance/preempted";

    /// <summary>The service, at GCE_METADATA_HOST (host or host:port, as Google's own libraries read it) or its usual name.</summary>
    public static MetadataService Service(Func<string, string?> getVariable) =>
        new(new Uri($"http://{(getVariable("GCE_METADATA_HOST") is { Length: > 0 } host ? host : "metadata.google.internal")}/"), (Flavor, "Google"));

    /// <inheritdoc/>
    protected override async Task<IReadOnlyList<(string Id, ReclaimNotice Notice)>> AskAsync(CancellationToken cancellationToken)
    {
        var (text, flavor) = await metadata.GetAsync(Path, Flavor, cancellationToken).ConfigureAwait(false);
        if (flavor != "Google")
        {
            throw new NoticeSourceException("the answer does not come from Google's metadata service");
        }

        var now = Time.GetUtcNow();
        return text.Trim() switch
        {
            "TRUE" => [("preempted", new ReclaimNotice(Name, ReclaimAction.Terminate, now + NoticeWindow - Interval, now, "preempted; the usual 30 s are assumed"))],
            "FALSE" => [],
            _ => throw new NoticeSourceException($"{Path} is neither TRUE nor FALSE"),
        };
    }
}
