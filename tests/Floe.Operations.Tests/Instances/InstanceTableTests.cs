using Floe.Aws.Api;
using Floe.Operations.Instances;
using Floe.Operations.Planning;
using Floe.Operations.Tests.Aws;
using Floe.S3;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Instances;

public sealed class InstanceTableTests
{
    private readonly List<string> _notes = [];

    [Fact]
    public async Task Live_Pages_AreOneTable()
    {
        await using var aws = await AwsDouble.StartAsync((_, n) => new(200, $"<R><instanceTypeSet>{Type($"c6id.{n}xlarge", "ssd")}</instanceTypeSet>{(n < 4 ? $"<nextToken>t{n}</nextToken>" : "")}</R>"));
        using var client = aws.Client();
        var table = await LiveInstanceTable.ReadAsync(client, null, _notes.Add, default);
        Assert.True(table.IsLive);
        Assert.Equal(["c6id.1xlarge", "c6id.2xlarge", "c6id.3xlarge", "c6id.4xlarge"], table.Types.Select(t => t.Name));
        Assert.Empty(_notes);
    }

    [Theory]
    [InlineData(403, "<Response><Errors><Error><Code>UnauthorizedOperation</Code></Error></Errors></Response>", "ec2:DescribeInstanceTypes")]
    [InlineData(503, "<Response><Errors><Error><Code>RequestLimitExceeded</Code></Error></Errors></Response>", "slow down")]
    [InlineData(200, "<html>proxy</html", "no answer")]
    [InlineData(401, "<Response><Errors><Error><Code>AuthFailure</Code></Error></Errors></Response>", "does not accept the credentials")]
    [InlineData(200, "<R><instanceTypeSet/></R>", "names no instance type")]
    public async Task Live_CannotBeHad_TheEmbeddedTableServesAndANoteSaysWhy(int status, string body, string why)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(status, body));
        using var client = aws.Client();
        var table = await LiveInstanceTable.ReadAsync(client, null, _notes.Add, default);
        Assert.False(table.IsLive);
        Assert.True(table.Types.Count > 1000);
        Assert.Contains(why, Assert.Single(_notes), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Live_NoCredentials_AsksNobodyAndSaysNothing()
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(500, ""));
        using var client = new AwsClient(new AwsOptions { Region = "eu-central-1", Endpoints = new Dictionary<string, Uri> { [""] = aws.Endpoint } }, TimeProvider.System, NullLogger.Instance, new NoCredentials());
        Assert.False((await LiveInstanceTable.ReadAsync(client, null, _notes.Add, default)).IsLive);
        Assert.Empty(aws.Asked);
        Assert.Empty(_notes);
    }

    [Theory]
    [InlineData("c6id.large", "ssd", 118)]
    [InlineData("d3en.large", "hdd", 0)]
    public async Task Live_LocalStorage_IsOfNoUseWhenItTurns(string name, string kind, long gb)
    {
        await using var aws = await AwsDouble.StartAsync((_, _) => new(200, $"<R><instanceTypeSet>{Type(name, kind)}</instanceTypeSet></R>"));
        using var client = aws.Client();
        Assert.Equal(gb, (await LiveInstanceTable.ReadAsync(client, [name], _notes.Add, default)).Types[0].NvmeGB);
    }

    [Theory]
    [InlineData("d3en.2xlarge", false)]
    [InlineData("x1e.32xlarge", false)]
    [InlineData("c6i.8xlarge", false)]
    [InlineData("c6id.8xlarge", true)]
    [InlineData("i4i.2xlarge", true)]
    public void Embedded_LocalStorage_IsNvmeOrNone(string name, bool nvme) => Assert.Equal(nvme, InstanceTable.Embedded().Find(name)!.NvmeGB > 0);

    [Fact]
    public void Judge_UnknownTypeOfALiveTable_NamesWhatThereIs()
    {
        var e = Assert.Throws<KeyNotFoundException>(() => Planner.Judge(new InstanceTable([], "EC2's types in eu-central-1", true), ["c6i.9xlarge"], new PlanRequest()));
        Assert.StartsWith("'c6i.9xlarge' is none of EC2's types in eu-central-1; there are c6i.large", e.Message, StringComparison.Ordinal);
    }

    private static string Type(string name, string disk) =>
        $"<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>4</defaultVCpus></vCpuInfo><memoryInfo><sizeInMiB>8192</sizeInMiB></memoryInfo><instanceStorageInfo><totalSizeInGB>118</totalSizeInGB><disks><item><type>{disk}</type></item></disks><nvmeSupport>required</nvmeSupport></instanceStorageInfo></item>";

    private sealed class NoCredentials : ICredentialSource
    {
        public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => throw new ObjectStoreException(ObjectStoreErrorKind.Credentials, "none");

        public bool Invalidate(AccessKeys refused) => false;

        public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
    }
}
