using System.Text.Json;
using Floe.S3;
using Floe.Store.Manifests;
using Floe.Store.Reading;

namespace Floe.Store.Leases;

/// <summary>Reads and writes a task's lease.json.</summary>
internal sealed class LeaseFile(IObjectStore objects, TaskKey task)
{
    private const int MaxBytes = 64 << 10;
    private static readonly TimeSpan s_minTtl = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_maxTtl = TimeSpan.FromHours(1);

    public ObjectKey Key { get; } = StoreLayout.Lease(task);

    public static LeaseInfo Info(LeaseDocument document) =>
        new(document.Generation, document.State, document.HolderId, document.Host, document.ProcessId, document.Job, Ttl(document), document.RenewedAt);

    public static TimeSpan Ttl(LeaseDocument document) => Clamp(TimeSpan.FromMilliseconds(Math.Clamp(document.TtlMillis, 0, 1L << 40)));

    public static TimeSpan Clamp(TimeSpan ttl) => ttl < s_minTtl ? s_minTtl : ttl > s_maxTtl ? s_maxTtl : ttl;

    /// <summary>Null when there is none. One that cannot be read is a <see cref="SnapshotDamagedException"/>, after it was read again (<see cref="RepeatedRead"/>).</summary>
    public Task<(LeaseDocument Document, ETag ETag, DateTimeOffset? ServerTime)?> ReadAsync(CancellationToken cancellationToken)
    {
        SmallObject? found = null;
        return RepeatedRead.RunAsync(
            Key,
            async () =>
            {
                found = await objects.GetAsync(Key, MaxBytes, cancellationToken).ConfigureAwait(false);
                return found?.Content;
            },
            _ => found is null ? ((LeaseDocument, ETag, DateTimeOffset?)?)null : (Parse(found.Content), found.ETag, found.ServerTime));
    }

    private LeaseDocument Parse(byte[] content)
    {
        LeaseDocument? document;
        try
        {
            document = JsonSerializer.Deserialize(content, StoreJson.Default.LeaseDocument);
        }
        catch (JsonException problem)
        {
            throw new SnapshotDamagedException(Key.Value, $"it is no lease ({problem.Message}); make sure that no agent runs this task, then remove the object");
        }

        if (document is not null)
        {
            FormatVersion.Check(document.FormatVersion, [], Key.Value);
        }

        return document is { Generation: > 0 and < long.MaxValue, Incarnation.Length: > 0 and <= 100, HolderId.Length: > 0 } && Enum.IsDefined(document.State)
            ? document
            : throw new SnapshotDamagedException(Key.Value, "it is no lease; make sure that no agent runs this task, then remove the object");
    }

    /// <summary>Null when the condition did not hold any more: someone else wrote.</summary>
    public async Task<ETag?> TryWriteAsync(LeaseDocument document, ETag? expected, CancellationToken cancellationToken)
    {
        var bytes = JsonSerializer.SerializeToUtf8Bytes(document, StoreJson.Default.LeaseDocument);
        var condition = expected is { } etag ? PutCondition.IfMatch(etag) : PutCondition.IfAbsent;
        try
        {
            return await objects.PutAsync(Key, bytes, condition, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException refused) when (refused.Kind is ObjectStoreErrorKind.PreconditionFailed
            || (refused.Kind is ObjectStoreErrorKind.NotFound && expected is not null))
        {
            // S3 answers If-Match on an object that is gone with 404, others with 412.
            return null;
        }
    }

    /// <inheritdoc cref="IObjectStore.DeleteOnceAsync"/>
    public Task DeleteOnceAsync(CancellationToken cancellationToken) => objects.DeleteOnceAsync(Key, cancellationToken);

    public Task DeleteAsync(CancellationToken cancellationToken) => objects.DeleteAsync([Key], cancellationToken);

    /// <summary>Whether the store refuses writes whose condition does not hold, which all of a lease rests on. What it is asked to write is what is there already.</summary>
    public async Task<bool> HonorsConditionsAsync(LeaseDocument held, CancellationToken cancellationToken)
    {
        var writes = await Task.WhenAll(
            TryWriteAsync(held, null, cancellationToken),
            TryWriteAsync(held, new ETag("\"00000000000000000000000000000000\""), cancellationToken)).ConfigureAwait(false);
        return writes.All(etag => etag is null);
    }

    /// <summary>How long ago the lease was last written, by the store's own clock; null where the store does not tell.</summary>
    public async Task<TimeSpan?> AgeAsync(ETag etag, DateTimeOffset? serverTime, CancellationToken cancellationToken)
    {
        if (serverTime is not { } now || await objects.HeadAsync(Key, cancellationToken).ConfigureAwait(false) is not { } head || head.ETag != etag)
        {
            return null;
        }

        // Both stamps are whole seconds of the store's clock, so the truth may be up to a second less; two for good measure.
        var age = now - head.LastModified - TimeSpan.FromSeconds(2);
        return age > TimeSpan.Zero ? age : null;
    }
}
