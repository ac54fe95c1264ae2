using System.Diagnostics;
using System.Text;
using Floe.Testing.Imds;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>One attempt of a job: a machine, its metadata service and the container on it.</summary>
internal sealed class BatchAttempt(Machine machine, MachineProcess process, ImdsDouble imds) : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    public Machine Machine => machine;

    public MachineProcess Process => process;

    public ImdsDouble Imds => imds;

    public void GiveNotice(TimeSpan left) => imds.SetSpotNotice("terminate", TimeProvider.System.GetUtcNow() + left);

    /// <summary>A notice, then the end of the machine once the task is safe and the agent waits. False: the task was done before, and is not run again.</summary>
    public async Task<bool> ReclaimAsync()
    {
        GiveNotice(TimeSpan.FromSeconds(120));
        await UntilAsync(() => process.HasExited || process.Errors.Contains("waiting for the machine to end", StringComparison.Ordinal), "snapshot");
        if (process.HasExited)
        {
            return false;
        }

        await machine.DestroyAsync();
        return true;
    }

    public Task UntilLoggedAsync(string text) => UntilAsync(() => process.Errors.Contains(text, StringComparison.Ordinal), $"'{text}' in the log");

    public Task UntilPrintedAsync(string text) =>
        UntilAsync(() => Encoding.UTF8.GetString(process.Output).Contains(text, StringComparison.Ordinal), $"'{text}' on stdout");

    public async Task UntilAsync(Func<bool> condition, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.False(process.HasExited && !condition(), $"ended before {what}; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
            Assert.True(Stopwatch.GetElapsedTime(began) < s_patience, $"no {what}; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
            await Task.Delay(10, BatchJob.Token);
        }
    }

    public async Task<MachineResult> EndAsync()
    {
        try
        {
            return await process.WaitAsync(BatchJob.Token).WaitAsync(s_patience, BatchJob.Token);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"still running; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        await machine.DisposeAsync();
        await imds.DisposeAsync();
    }
}
