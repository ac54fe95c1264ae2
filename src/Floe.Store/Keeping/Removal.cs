using Floe.S3;

namespace Floe.Store.Keeping;

/// <summary>
/// Removes a task: manifests first, so that nothing half-removed is ever listed as a snapshot. The lease is the caller's to remove, last, so that nobody
/// starts in between.
/// </summary>
/// <remarks>A task that ended keeps its trace; one that is removed does not.</remarks>
internal static class Removal
{
    public static async Task RunAsync(IObjectStore objects, TaskKey task, bool keepTrace, CancellationToken cancellationToken)
    {
        var lease = StoreLayout.Lease(task);
        var trace = StoreLayout.Trace(task);
        var manifests = new List<ObjectKey>();
        var rest = new List<ObjectKey>();
        await foreach (var item in objects.ListAsync(StoreLayout.TaskPrefix(task), cancellationToken).ConfigureAwait(false))
        {
            if (item.Key != lease && !(keepTrace && item.Key == trace))
            {
                (StoreLayout.TryParseManifest(task, item.Key) is null ? rest : manifests).Add(item.Key);
            }
        }

        await objects.DeleteAsync(manifests, cancellationToken).ConfigureAwait(false);
        await objects.DeleteAsync(rest, cancellationToken).ConfigureAwait(false);
    }
}
