using Floe.S3;

namespace Floe.Store.Keeping;

/// <summary>Whether a task lies as it lay at a time, which is the store's own: no machine's clock is compared with it.</summary>
internal sealed class AbandonedTask(IObjectStore objects, TaskKey task, DateTimeOffset before)
{
    /// <summary>False: somebody wrote one of its objects since. Those of <paramref name="own"/> do not count.</summary>
    public async Task<bool> IsUntouchedAsync(CancellationToken cancellationToken, params IReadOnlyList<ObjectKey> own)
    {
        await foreach (var item in objects.ListAsync(StoreLayout.TaskPrefix(task), cancellationToken).ConfigureAwait(false))
        {
            if (item.LastModified >= before && !own.Contains(item.Key))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>False also where it is gone: then whoever removed it is about to write another.</summary>
    public async Task<bool> IsLeaseUntouchedAsync(CancellationToken cancellationToken) =>
        await objects.HeadAsync(StoreLayout.Lease(task), cancellationToken).ConfigureAwait(false) is { } lease && lease.LastModified < before;
}
