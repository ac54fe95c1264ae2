using Floe.S3;
using Floe.Store.Leases;
using Floe.Store.Manifests;
using Floe.Store.Reading;

namespace Floe.Store.Keeping;

/// <summary>What lies in one slot of a task's history.</summary>
/// <param name="Manifest">Of a readable snapshot.</param>
/// <param name="Fence">Of a slot that a holder took away from the ones before.</param>
/// <param name="Problem">Why neither could be read.</param>
/// <param name="IsUnsupported">The problem is a newer format and no damage: hands off.</param>
internal sealed record CatalogEntry(long Seq, Manifest? Manifest, FenceDocument? Fence, string? Problem, bool IsUnsupported = false);

/// <summary>
/// All slots of a task, newest first, and which of them count: a snapshot is part of its task when it belongs to the history
/// that the lease names, and is not below what the newest such snapshot keeps.
/// </summary>
internal sealed class SnapshotCatalog
{
    private const int ParallelReads = 8;

    private SnapshotCatalog(IReadOnlyList<CatalogEntry> entries, LeaseDocument? lease)
    {
        Entries = entries;
        Lease = lease;
        var incarnation = lease?.Incarnation;
        var ours = entries.Where(e => e.Manifest is { } m && (incarnation is null || m.Incarnation == incarnation)).ToList();
        var oldest = ours.Count == 0 ? 0 : ours[0].Manifest!.OldestKept;
        Valid = ours.Where(e => e.Seq >= oldest).ToList();
    }

    public IReadOnlyList<CatalogEntry> Entries { get; }

    public IReadOnlyList<CatalogEntry> Valid { get; }

    /// <summary>As it was before the slots were read.</summary>
    public LeaseDocument? Lease { get; }

    /// <summary>The history that the lease names; null when there is no lease.</summary>
    public string? Incarnation => Lease?.Incarnation;

    public long HighestSlot => Entries.Count == 0 ? 0 : Entries[0].Seq;

    public static async Task<SnapshotCatalog> ReadAsync(IObjectStore objects, TaskKey task, CancellationToken cancellationToken)
    {
        var lease = await new LeaseFile(objects, task).ReadAsync(cancellationToken).ConfigureAwait(false);
        var seqs = new List<long>();
        await foreach (var item in objects.ListAsync(StoreLayout.SnapshotsPrefix(task), cancellationToken).ConfigureAwait(false))
        {
            if (StoreLayout.TryParseManifest(task, item.Key) is { } seq)
            {
                seqs.Add(seq);
            }
        }

        var entries = new CatalogEntry?[seqs.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = ParallelReads, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, seqs.Count, options, async (i, token) => entries[i] = await ReadEntryAsync(objects, task, seqs[i], token).ConfigureAwait(false)).ConfigureAwait(false);
        return new SnapshotCatalog([.. entries.OfType<CatalogEntry>().OrderByDescending(e => e.Seq)], lease?.Document);
    }

    /// <summary>Null when there is nothing in the slot. What cannot be read is read again, so that a problem is one of the store's bytes (<see cref="RepeatedRead"/>).</summary>
    public static async Task<CatalogEntry?> ReadEntryAsync(IObjectStore objects, TaskKey task, long seq, CancellationToken cancellationToken)
    {
        var key = StoreLayout.Manifest(task, seq);
        var isThere = false;
        try
        {
            return await RepeatedRead.RunAsync(key, ReadAsync, Parse).ConfigureAwait(false);
        }
        catch (InvalidDataException damage)
        {
            return new CatalogEntry(seq, null, null, damage.Message);
        }
        catch (UnsupportedFormatException newer)
        {
            return new CatalogEntry(seq, null, null, newer.Message, IsUnsupported: true);
        }

        async Task<ReadOnlyMemory<byte>> ReadAsync()
        {
            try
            {
                var found = await objects.GetAsync(key, ManifestCodec.MaxBytes, cancellationToken).ConfigureAwait(false);
                isThere = found is not null;
                return found?.Content;
            }
            catch (ObjectStoreException damage) when (damage.Kind is ObjectStoreErrorKind.Corrupt or ObjectStoreErrorKind.TooLarge or ObjectStoreErrorKind.Truncated)
            {
                throw new InvalidDataException(damage.Message, damage);
            }
        }

        CatalogEntry? Parse(ReadOnlyMemory<byte> bytes)
        {
            if (!isThere)
            {
                return null;
            }

            var manifest = ManifestCodec.Read(bytes.Span, task, seq, key.Value, out var fence);
            return new CatalogEntry(seq, manifest, fence, null);
        }
    }
}
