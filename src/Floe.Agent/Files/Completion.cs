namespace Floe.Agent.Files;

/// <summary>Waiting for tasks that stop one another.</summary>
internal static class Completion
{
    /// <summary>Waits for all; the failure that stopped the others is thrown, not the cancellations that followed from it.</summary>
    public static async Task OfAllAsync(IReadOnlyCollection<Task> tasks, CancellationToken cancellationToken)
    {
        await Task.WhenAll(tasks).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var failed = tasks.FirstOrDefault(static task => task.IsFaulted);
        if (failed is null)
        {
            cancellationToken.ThrowIfCancellationRequested();
            failed = tasks.FirstOrDefault(static task => task.IsCanceled);
        }

        if (failed is not null)
        {
            await failed.ConfigureAwait(false);
        }
    }
}
