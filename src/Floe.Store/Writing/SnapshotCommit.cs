using System.Security.Cryptography;
using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Coding;
using Floe.Store.Indexes;
using Floe.Store.Keeping;
using Floe.Store.Manifests;
using Floe.Store.Packs;

namespace Floe.Store.Writing;

/// <summary>Everything about a snapshot but its place in the task's history.</summary>
internal sealed record SnapshotDraft
{
    public required SnapshotIndex Index { get; init; }

    public required IReadOnlyList<PackReference> Packs { get; init; }

    public required long NextFrame { get; init; }

    /// <summary>Of the blocks in <see cref="Packs"/>.</summary>
    public required BlockSeed Seed { get; init; }

    public required SnapshotTotals Totals { get; init; }

    public required TaskFacts Task { get; init; }

    public required MachineFacts Machine { get; init; }

    public required SnapshotTimings Timings { get; init; }
}

/// <summary>
/// The last steps of a snapshot whose packs are durable: index, lease, manifest. The manifest's conditional PUT into the holder's
/// next slot is the only commit point; why a paused holder cannot slip in there is argued in docs/format.md, "Fencing".
/// </summary>
internal sealed class SnapshotCommit(IObjectStore objects, Lease lease, TimeProvider time)
{
    private const int MaxAttempts = 16;

    /// <summary>Before a slot that was refused, with nothing in it, is tried again; longer each time. The task may stand still meanwhile.</summary>
    private static readonly TimeSpan s_firstPause = TimeSpan.FromMilliseconds(50);

    /// <summary>A manifest was sent, whatever came of it.</summary>
    public bool IsTried { get; private set; }

    public async Task<Manifest> RunAsync(SnapshotDraft draft, int keep, long began, CancellationToken cancellationToken)
    {
        if (draft.Packs.Sum(p => (long)p.DirectoryLength) is var directories && directories > PackFormat.MaxDirectoriesBytes)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"the directories of the snapshot's packs would have {directories} bytes, at most {PackFormat.MaxDirectoriesBytes} can be read back");
        }

        var (bytes, rawBytes) = Encode(draft.Index);
        IndexReference? reference = null;
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var seq = lease.NextSeq;
            reference ??= await PutIndexAsync(seq, bytes, rawBytes, cancellationToken).ConfigureAwait(false);
            await lease.RenewAsync(cancellationToken).ConfigureAwait(false);
            var manifest = Complete(draft, reference, seq, keep, began);
            if (await TryPutManifestAsync(manifest, cancellationToken).ConfigureAwait(false))
            {
                lease.NextSeq = seq + 1;
                lease.AddSeqs(seq);
                return manifest;
            }

            await YieldSlotAsync(seq, cancellationToken).ConfigureAwait(false);
            if (lease.NextSeq != seq)
            {
                // Its name has the snapshot's number.
                reference = null;
            }
            else if (attempt + 1 < MaxAttempts)
            {
                await Task.Delay(s_firstPause * Math.Min(attempt + 1, 10), time, cancellationToken).ConfigureAwait(false);
            }
        }

        throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, $"no place for the next snapshot of task {lease.Key} could be had in {MaxAttempts} attempts");
    }

    private static (byte[] Bytes, long RawBytes) Encode(SnapshotIndex index)
    {
        // Before it is made, which takes as much memory again.
        RequireReadable(index.ContentBytes);
        using var writer = new ChunkedWriter();
        index.WriteTo(writer);
        var bytes = writer.Finish();
        RequireReadable(Math.Max(bytes.Length, writer.RawBytes));
        return (bytes, writer.RawBytes);
    }

    private static void RequireReadable(long indexBytes)
    {
        if (indexBytes > SnapshotIndex.MaxBytes)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"the index would have {indexBytes} bytes, at most {SnapshotIndex.MaxBytes} can be read back");
        }
    }

    private async Task<IndexReference> PutIndexAsync(long seq, byte[] bytes, long rawBytes, CancellationToken cancellationToken)
    {
        while (true)
        {
            // Like a pack, an index is never overwritten: a name that is taken is a leftover of a removed history.
            var number = lease.NextName();
            var name = new IndexName(seq, number.Generation, number.Number);
            try
            {
                await objects.PutAsync(StoreLayout.Index(lease.Key, name), bytes, PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
                return new IndexReference(name.ToString(), bytes.Length, Convert.ToHexStringLower(SHA256.HashData(bytes)), rawBytes);
            }
            catch (ObjectStoreException taken) when (taken.Kind == ObjectStoreErrorKind.PreconditionFailed)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private Manifest Complete(SnapshotDraft draft, IndexReference index, long seq, int keep, long began)
    {
        var older = lease.Seqs.TakeLast(keep - 1).ToList();
        return new Manifest
        {
            FormatVersion = FormatVersion.Current,
            RequiredFeatures = draft.Seed.Text is null ? [] : [FormatVersion.BlockSeedFeature],
            Key = lease.Key.Value,
            Seq = seq,
            Generation = lease.Generation,
            Incarnation = lease.Incarnation,
            CreatedAt = time.GetUtcNow(),
            OldestKept = older.Count > 0 ? older[0] : seq,
            NextFrame = draft.NextFrame,
            BlockSeed = draft.Seed.Text,
            Index = index,
            Packs = draft.Packs,
            Totals = draft.Totals with { UploadedBytes = draft.Totals.UploadedBytes + index.Size },
            Task = draft.Task,
            Machine = draft.Machine,
            Timings = draft.Timings with { CommitMillis = (long)time.GetElapsedTime(began).TotalMilliseconds },
        };
    }

    /// <summary>True when the manifest is in its slot; false when something else is.</summary>
    private async Task<bool> TryPutManifestAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var key = StoreLayout.Manifest(lease.Key, manifest.Seq);
        var bytes = ManifestCodec.Write(manifest);
        if (bytes.Length > ManifestCodec.MaxBytes)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"the manifest would have {bytes.Length} bytes, at most {ManifestCodec.MaxBytes} can be read back");
        }

        IsTried = true;
        try
        {
            await objects.PutAsync(key, bytes, PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ObjectStoreException taken) when (taken.Kind == ObjectStoreErrorKind.PreconditionFailed)
        {
            return false;
        }
        catch (ObjectStoreException) when (!cancellationToken.IsCancellationRequested)
        {
            // The answer may have been lost after the manifest arrived. Whether it is there decides whether the task is killed or
            // goes on, so it is worth one look; if that fails too, the commit counts as failed.
            if (await objects.GetAsync(key, ManifestCodec.MaxBytes, cancellationToken).ConfigureAwait(false) is { } found && found.Content.AsSpan().SequenceEqual(bytes))
            {
                return true;
            }

            throw;
        }
    }

    /// <summary>
    /// Moves on from a slot that is taken: by a fence of an earlier holder that came late, by a late commit to a history of this
    /// task that was removed, by an own commit whose answer was lost, or by what cannot be read. Where nothing is in it the slot is
    /// tried again: the store refused it for a moment, or what was there is gone.
    /// </summary>
    /// <exception cref="LeaseLostException">A later holder's is there.</exception>
    private async Task YieldSlotAsync(long seq, CancellationToken cancellationToken)
    {
        var entry = await SnapshotCatalog.ReadEntryAsync(objects, lease.Key, seq, cancellationToken).ConfigureAwait(false);
        if (entry is null)
        {
            return;
        }

        if (entry.Problem is not null)
        {
            // A later holder's would have come after its taking of the lease, and then this fails.
            await lease.RenewAsync(cancellationToken).ConfigureAwait(false);
            lease.NextSeq = seq + 1;
            return;
        }

        var fenced = entry.Fence is { } fence && fence.Generation < lease.Generation;
        var own = entry.Manifest is { } manifest && manifest.Generation == lease.Generation && manifest.Incarnation == lease.Incarnation;
        var removed = (entry.Manifest?.Incarnation ?? entry.Fence?.Incarnation) is { } incarnation && incarnation != lease.Incarnation;
        if (!fenced && !own && !removed)
        {
            throw new LeaseLostException($"another agent has committed to task {lease.Key} ({StoreLayout.Manifest(lease.Key, seq)}); this one (generation {lease.Generation}) may not any more");
        }

        if (own)
        {
            lease.AddSeqs(seq);
        }

        lease.NextSeq = seq + 1;
    }
}
