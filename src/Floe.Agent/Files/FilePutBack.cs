using Floe.Store;

namespace Floe.Agent.Files;

public sealed record PutBackOptions
{
    /// <summary>
    /// This machine's listing from before the task, or anything of it, was here. With it, files that appeared since and that
    /// the snapshot does not know are removed, which makes a second attempt, or going back in place, exact; and paths that the
    /// snapshot removed, or put here, are noted in it for later snapshots. Without it only the snapshot's own paths are brought to its state.
    /// </summary>
    public FileBaseline? Baseline { get; init; }

    /// <summary>
    /// Since when the task stood still for the snapshot. Where others write too, what was made or changed later is theirs and stays, unless the snapshot knows the file
    /// for the task's (<see cref="FileClaim"/>). Null: everything is brought to the snapshot's state.
    /// </summary>
    public DateTimeOffset? Taken { get; init; }

    /// <summary>
    /// A life of the task may have gone on after the snapshot and left files: what changed since, and is not the snapshot's to put back, is named in
    /// the result. Needs the baseline. By the clock, so for people only.
    /// </summary>
    public bool MayHaveGoneOn { get; init; }

    /// <summary>The snapshot was taken on another machine, or before this one started anew: what is in its own folders, as /tmp is, nobody brought along.</summary>
    public bool IsOtherMachine { get; init; }

    /// <summary>Names the task among those that put files back into the same folders; letters and digits.</summary>
    public string Owner { get; init; } = "task";

    /// <summary>Told, when the put-back is taken back, of what could not be brought back because others have its place by now, and where it is kept.</summary>
    public Action<IReadOnlyList<string>>? Saved { get; init; }

    /// <summary>Learns which of the files are the task's.</summary>
    public WrittenFiles? Written { get; init; }
}

/// <param name="RecordCount">Paths that were brought to the snapshot's state, removed ones included.</param>
/// <param name="ContentBytes">Length of the files written, holes included.</param>
/// <param name="ExtrasRemoved">Paths that were there, in scope, but neither in the baseline nor in the snapshot; a directory counts once.</param>
public sealed record PutBackResult(long RecordCount, long ContentBytes, long ExtrasRemoved)
{
    /// <summary>The first few of <see cref="PutBackOptions.MayHaveGoneOn"/>, as they are shown.</summary>
    public IReadOnlyList<string> ChangedSince { get; init; } = [];

    /// <summary>The first few newer files of others that gave way to files of the task, as they are shown (<see cref="PutBackOptions.IsOtherMachine"/>).</summary>
    public IReadOnlyList<string> Replaced { get; init; } = [];
}

/// <summary>
/// Puts the file state of a snapshot back, before CRIU restores. Everything is checked and every content is fetched and
/// verified first; only then is the target changed. Doing it again gives the same state. What CRIU reads afterwards may be damaged
/// all the same, so what was replaced is kept until the restored task is about to run.
/// </summary>
public static class FilePutBack
{
    /// <inheritdoc cref="RunAsync(FileScope, ISnapshotSource, PutBackOptions, CancellationToken)"/>
    public static Task<PutBackResult> RunAsync(FileScope scope, ISnapshotSource source, CancellationToken cancellationToken) =>
        RunAsync(scope, source, new PutBackOptions(), cancellationToken);

    /// <inheritdoc cref="BeginAsync"/>
    public static async Task<PutBackResult> RunAsync(
        FileScope scope, ISnapshotSource source, PutBackOptions options, CancellationToken cancellationToken)
    {
        using var files = await BeginAsync(scope, source, options, cancellationToken).ConfigureAwait(false);
        files.Keep();
        return files.Result;
    }

    /// <exception cref="FileStateException">The files cannot be put back on this machine.</exception>
    /// <exception cref="SnapshotDamagedException">Stored bytes do not verify; nothing was changed.</exception>
    public static async Task<FilesInPlace> BeginAsync(
        FileScope scope, ISnapshotSource source, PutBackOptions options, CancellationToken cancellationToken)
    {
        var list = await FileList.LoadAsync(source, cancellationToken).ConfigureAwait(false);
        ScopeTree tree;
        TargetReview? review;
        try
        {
            tree = scope.Resolve();
            review = options.Baseline is { } baseline ? new TargetReview(tree, baseline, list) : null;
            Check(list, tree);
            review?.Check(cancellationToken);
        }
        catch
        {
            list.Dispose();
            throw;
        }

        var staging = new StagingArea(tree, options.Owner);
        var aside = new SetAside(tree, staging);
        var others = new OthersFiles(tree, options);
        var passedOver = new HashSet<long>();
        var files = new FilesInPlace(staging, aside, options.Baseline, list, () => options.Baseline?.Note(Notes(list, passedOver, others.Found)), options.Saved);
        try
        {
            await StageAsync(list, source, staging, cancellationToken).ConfigureAwait(false);

            // From here on the target changes.
            var extras = review?.RemoveExtras() ?? 0;
            using var applier = new RecordApplier(tree, staging, aside, others, new LinkedFiles(list));
            long index = 0;
            foreach (var record in list.Records())
            {
                if (!applier.Apply(record, index))
                {
                    passedOver.Add(index);
                }

                index++;
            }

            applier.Finish();
            files.Result = new PutBackResult(list.RecordCount, list.ContentStreamBytes.Sum(), extras)
            {
                ChangedSince = options is { MayHaveGoneOn: true, Taken: { } taken } && review is not null
                    ? [.. others.Unclear.Concat(review.ChangedSince(taken)).Take(TargetReview.MaxNamed)] : [],
                Replaced = others.Replaced,
            };
            return files;
        }
        catch
        {
            files.Dispose();
            throw;
        }
    }

    /// <summary>Removes what appeared since the baseline, for a start from the beginning after a restore that failed half-way.</summary>
    /// <exception cref="FileStateException">Files of this machine's image were changed, which cannot be undone.</exception>
    public static Task RevertAsync(FileScope scope, FileBaseline baseline, CancellationToken cancellationToken) => Task.Run(
        () =>
        {
            var review = new TargetReview(scope.Resolve(), baseline, FileList.Empty);
            review.Check(cancellationToken);
            review.RemoveExtras();
        },
        cancellationToken);

    private static IEnumerable<(byte[] Path, PutBackNote Note)> Notes(FileList list, HashSet<long> passedOver, IReadOnlyCollection<byte[]> found)
    {
        using var next = found.GetEnumerator();
        var hasFound = next.MoveNext();
        long index = 0;
        foreach (var record in list.Records())
        {
            if (passedOver.Contains(index++))
            {
                continue;
            }

            var isFound = hasFound && next.Current.AsSpan().SequenceEqual(record.Path);
            hasFound = isFound ? next.MoveNext() : hasFound;
            yield return (record.Path, isFound ? PutBackNote.Found : record.Kind == FileRecordKind.Deleted ? PutBackNote.Removed : PutBackNote.Made);
        }
    }

    private static void Check(FileList list, ScopeTree tree)
    {
        foreach (var record in list.Records())
        {
            if (!tree.Contains(record.Path, out _, out var reason))
            {
                throw new FileStateException($"cannot put back {KernelPath.Display(record.Path)}: {reason}");
            }
        }
    }

    private static async Task StageAsync(FileList list, ISnapshotSource source, StagingArea staging, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var streams = Enumerable.Range(0, list.ContentStreamBytes.Count).Where(stream => list.ContentStreamBytes[stream] > 0);
        var writers = streams.Select(stream => Task.Run(
            async () =>
            {
                using var consumer = new StagedContent(staging);
                try
                {
                    await FileContents.ReadAsync(list, source, stream, consumer, stop.Token).ConfigureAwait(false);
                }
                catch
                {
                    await stop.CancelAsync().ConfigureAwait(false);
                    throw;
                }
            },
            CancellationToken.None)).ToArray();
        await Completion.OfAllAsync(writers, cancellationToken).ConfigureAwait(false);
    }
}
