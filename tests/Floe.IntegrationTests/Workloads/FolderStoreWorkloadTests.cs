using Floe.Testing;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>Every workload through the folder store, in containers; every other one by a Spot notice.</summary>
public sealed class FolderStoreWorkloadTests
{
    public static TheoryData<string> Names => [.. Workload.All.Select(workload => workload.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Run_FrozenAndThawed_OutputEqualsUninterrupted(string name)
    {
        var index = Workload.All.ToList().FindIndex(workload => workload.Name == name);
        using var scratch = new ScratchFolder();
        var store = TestStore.InFolder(scratch.Path);
        await new WorkloadRun(Workload.All[index], store, MachineKind.Container, byNotice: index % 2 == 0).FreezeAndThawAsync(TestContext.Current.CancellationToken);
    }
}
