using Floe.S3;
using Floe.Store.Leases;

namespace Floe.Store.Keeping;

/// <summary>
/// Removes what a task does not need any more: manifests first, so that no manifest ever stands without what it names, then
/// indexes and packs that no kept manifest names. Only the holder of the lease prunes.
/// </summary>
internal sealed class Pruning(IObjectStore objects, Lease lease, KnownBlocks known)
{
    public async Task RunAsync(int keep, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(keep, 1);
        await lease.RenewAsync(cancellationToken).ConfigureAwait(false);

        // Asked before the listing: what a writer that starts later sends may be in the list, and in no manifest that is read here.
        var writers = known.Writers;
        var task = lease.Key;
        var all = new List<ObjectKey>();
        await foreach (var item in objects.ListAsync(StoreLayout.TaskPrefix(task), cancellationToken).ConfigureAwait(false))
        {
            all.Add(item.Key);
        }

        var catalog = await SnapshotCatalog.ReadAsync(objects, task, cancellationToken).ConfigureAwait(false);
        if (catalog.Entries.Any(e => e.IsUnsupported))
        {
            // A newer floe wrote here: what its snapshots need cannot be told.
            return;
        }

        // What the task did not go on from, because it could not be restored, takes nobody's place.
        var counted = catalog.Valid.Where(e => lease.Seqs.Contains(e.Seq)).Take(keep).ToList();
        var kept = catalog.Valid.Where(e => counted.Count == 0 || e.Seq >= counted[^1].Seq).ToList();
        if (kept.Count == 0 && catalog.Entries.Any(e => e.Problem is not null))
        {
            // Nothing readable is left. What is damaged may still be of use to somebody.
            return;
        }

        var oldest = kept.Count > 0 ? kept[^1].Seq : 0;
        var manifests = catalog.Entries.Where(e => e.Seq < oldest || (e.Manifest is not null && !catalog.Valid.Contains(e))).Select(e => StoreLayout.Manifest(task, e.Seq));
        await objects.DeleteAsync([.. manifests], cancellationToken).ConfigureAwait(false);
        if (catalog.Entries.Any(e => e.Problem is not null && (e.Seq >= oldest || lease.Seqs.Contains(e.Seq))))
        {
            // What it needs cannot be told, and it may be the newest, which a reader elsewhere finds whole. It waits until all that is kept lies above it.
            return;
        }

        var keepPacks = kept.SelectMany(e => e.Manifest!.Packs).Select(p => p.Name).ToHashSet(StringComparer.Ordinal);
        var hasWriter = !known.ForgetPacks(keepPacks, writers);
        var keepIndexes = kept.Select(e => e.Manifest!.Index.Name).ToHashSet(StringComparer.Ordinal);
        await objects.DeleteAsync([.. all.Where(k => IsNeedless(k, keepPacks, keepIndexes, hasWriter))], cancellationToken).ConfigureAwait(false);
    }

    private bool IsNeedless(ObjectKey key, HashSet<string> packs, HashSet<string> indexes, bool hasWriter)
    {
        // Of the own generation, what nothing names may be on its way into a snapshot that is being written.
        bool MayGo(long generation) => generation < lease.Generation || (generation == lease.Generation && !hasWriter);

        return StoreLayout.TryParsePack(lease.Key, key) is { } pack
            ? MayGo(pack.Generation) && !packs.Contains(pack.ToString())
            : StoreLayout.TryParseIndex(lease.Key, key) is { } index && MayGo(index.Generation) && !indexes.Contains(index.ToString());
    }
}
