using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Notices;

/// <summary>
/// Azure's scheduled events: <c>Preempt</c> of a Spot machine (at least 30 s ahead) and <c>Terminate</c> by a scale set. The document
/// names the machines that an event is for, and lists those of the whole scale set.
/// Source: Azure documentation, "Scheduled Events for Linux VMs".
/// </summary>
public sealed class AzureNoticeSource(MetadataService metadata, TimeSpan interval, TimeProvider time, ILogger<AzureNoticeSource> logger)
    : PolledNoticeSource("Azure", interval, time, logger)
{
    private const string EventsPath = "metadata/scheduledevents?api-version=2020-07-01";
    private const string NamePath = "metadata/instance/compute/name?api-version=2021-02-01&format=text";
    private static readonly TimeSpan s_leastWindow = TimeSpan.FromSeconds(30);

    private string? _machine;

    /// <summary>The service, at FLOE_AZURE_METADATA_ENDPOINT or its usual address.</summary>
    public static MetadataService Service(Func<string, string?> getVariable) =>
        new(new Uri((getVariable("FLOE_AZURE_METADATA_ENDPOINT") is { Length: > 0 } set ? set.TrimEnd('/') : "http://169.254.169.254") + "/"), ("Metadata", "true"));

    /// <inheritdoc/>
    protected override async Task<IReadOnlyList<(string Id, ReclaimNotice Notice)>> AskAsync(CancellationToken cancellationToken)
    {
        _machine ??= (await metadata.GetAsync(NamePath, "Server", cancellationToken).ConfigureAwait(false)).Text.Trim();
        var (text, _) = await metadata.GetAsync(EventsPath, "Server", cancellationToken).ConfigureAwait(false);
        try
        {
            var document = JsonSerializer.Deserialize(text, AzureJson.Default.EventDocument);
            var events = document?.Events ?? throw new NoticeSourceException("the scheduled events have no list of events");
            return [.. events.Where(IsForUs).Select(e => (e.EventId ?? "", Notice(e)))];
        }
        catch (JsonException e)
        {
            throw new NoticeSourceException("the scheduled events are no JSON", e);
        }
    }

    private bool IsForUs(ScheduledEvent e) =>
        e.EventType is "Preempt" or "Terminate" && (e.Resources is not { Count: > 0 } || e.Resources.Contains(_machine, StringComparer.OrdinalIgnoreCase));

    private ReclaimNotice Notice(ScheduledEvent e)
    {
        var now = Time.GetUtcNow();

        // Empty once the event has started.
        var stated = DateTimeOffset.TryParse(e.NotBefore, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : (DateTimeOffset?)null;
        var deadline = stated is { } at && at > now && at < now + TimeSpan.FromHours(1) ? at : now + s_leastWindow - Interval;
        return new ReclaimNotice(Name, ReclaimAction.Terminate, deadline, now, $"{e.EventType} not before {e.NotBefore}");
    }

    internal sealed record EventDocument(IReadOnlyList<ScheduledEvent>? Events);

    internal sealed record ScheduledEvent(string? EventId, string? EventType, IReadOnlyList<string>? Resources, string? NotBefore);
}

[JsonSerializable(typeof(AzureNoticeSource.EventDocument))]
internal sealed partial class AzureJson : JsonSerializerContext;
