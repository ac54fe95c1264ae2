using System.Collections.Concurrent;
using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>What each workload gives when nothing disturbs it: run once, without floe, on a machine of its own.</summary>
internal static class Baselines
{
    private static readonly ConcurrentDictionary<string, Lazy<Task<WorkloadOutput>>> s_outputs = new();

    public static Task<WorkloadOutput> GetAsync(Workload workload) =>
        s_outputs.GetOrAdd(workload.Name, _ => new Lazy<Task<WorkloadOutput>>(() => RunAsync(workload))).Value;

    private static async Task<WorkloadOutput> RunAsync(Workload workload)
    {
        await using var machine = await Machine.CreateAsync(new()
        {
            HostName = "baseline",
            BundleAt = null,
            Binds = [new(Repository.PathOf("tests/workloads"), Workload.Folder, ReadOnly: true)],
        });
        var result = await machine.RunAsync(WorkloadRun.InWorkingDirectory(workload.Command));
        Assert.True(result.Status.Success, $"{workload.Name} fails by itself: {result.Status}: {result.Errors}");
        return WorkloadOutput.Read(machine, result.Output);
    }
}
