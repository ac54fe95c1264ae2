using Floe.IntegrationTests.S3;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>Some workloads through a real S3 gateway of another project.</summary>
[Collection(nameof(RadosGatewayFixture))]
public sealed class RealGatewayWorkloadTests(RadosGatewayFixture gateway)
{
    [Theory]
    [InlineData("python-multiprocessing")]
    [InlineData("open-files")]
    public async Task Run_FrozenAndThawed_OutputEqualsUninterrupted(string name)
    {
        var store = TestStore.InS3(RealS3Server.Bucket, gateway.Server.Endpoint, gateway.Server.Keys);
        await new WorkloadRun(Workload.All.Single(workload => workload.Name == name), store, MachineKind.Container, byNotice: false)
            .FreezeAndThawAsync(TestContext.Current.CancellationToken);
    }
}
