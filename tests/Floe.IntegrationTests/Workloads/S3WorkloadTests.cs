using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>Every workload through S3, on plain hosts; the other half by a Spot notice.</summary>
public sealed class S3WorkloadTests : IAsyncLifetime
{
    private S3Double _double = null!;

    public static TheoryData<string> Names => [.. Workload.All.Select(workload => workload.Name)];

    public async ValueTask InitializeAsync() => _double = await S3Double.StartAsync();

    public ValueTask DisposeAsync() => _double.DisposeAsync();

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Run_FrozenAndThawed_OutputEqualsUninterrupted(string name)
    {
        var index = Workload.All.ToList().FindIndex(workload => workload.Name == name);
        var store = TestStore.InS3(S3Double.Bucket, _double.Endpoint, _double.Keys);
        await new WorkloadRun(Workload.All[index], store, MachineKind.Host, byNotice: index % 2 == 1).FreezeAndThawAsync(TestContext.Current.CancellationToken);
    }
}
