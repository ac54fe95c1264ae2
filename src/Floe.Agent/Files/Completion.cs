using System.Runtime.ExceptionServices;

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

    /// <summary>Does works side by side. The first that fails stops the others, and its failure is thrown, whatever they make of being stopped.</summary>
    public static async Task RunAllAsync(CancellationToken cancellationToken, params IReadOnlyCollection<Func<CancellationToken, Task>> works)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        ExceptionDispatchInfo? first = null;
        await Task.WhenAll(works.Select(RunAsync)).ConfigureAwait(false);
        first?.Throw();

        async Task RunAsync(Func<CancellationToken, Task> work)
        {
            try
            {
                await work(stop.Token).ConfigureAwait(false);
            }
            catch (Exception failure)
            {
                Interlocked.CompareExchange(ref first, ExceptionDispatchInfo.Capture(failure), null);
                await stop.CancelAsync().ConfigureAwait(false);
            }
        }
    }
}
