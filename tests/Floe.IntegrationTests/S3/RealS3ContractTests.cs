using Floe.S3;
using Floe.Testing.S3;
using Floe.Tests.S3;
using Xunit;

namespace Floe.IntegrationTests.S3;

/// <summary>One server for all tests that ask for it.</summary>
public sealed class MotoFixture : IAsyncLifetime
{
    public MotoServer Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await MotoServer.StartAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => Server is null ? ValueTask.CompletedTask : Server.DisposeAsync();
}

public sealed class RadosGatewayFixture : IAsyncLifetime
{
    public RadosGateway Server { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Server = await RadosGateway.StartAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => Server is null ? ValueTask.CompletedTask : Server.DisposeAsync();
}

[CollectionDefinition(nameof(MotoFixture))]
public sealed class OnMoto : ICollectionFixture<MotoFixture>;

[CollectionDefinition(nameof(RadosGatewayFixture))]
public sealed class OnRadosGateway : ICollectionFixture<RadosGatewayFixture>;

[Collection(nameof(MotoFixture))]
public sealed class MotoContractTests(MotoFixture moto) : ObjectStoreContract
{
    protected override ValueTask<IMultipartStore> OpenAsync() => ValueTask.FromResult(moto.Server.Open($"t/{Guid.NewGuid():N}"));
}

[Collection(nameof(RadosGatewayFixture))]
public sealed class RadosGatewayContractTests(RadosGatewayFixture gateway) : ObjectStoreContract
{
    protected override ValueTask<IMultipartStore> OpenAsync() => ValueTask.FromResult(gateway.Server.Open($"t/{Guid.NewGuid():N}"));

    [Fact]
    public async Task AnyOperation_WrongSecret_IsACredentialsError()
    {
        await using var store = gateway.Server.Open("x", new AccessKeys(gateway.Server.AccessKey, "wrong"));
        await FailsAsync(ObjectStoreErrorKind.Credentials, () => store.PutAsync(new("a"), Text("x"), PutCondition.None, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task AnyOperation_NoSuchBucket_SaysSo()
    {
        await using var store = gateway.Server.Open("x", bucket: "no-such-bucket");
        var error = await FailsAsync(
            ObjectStoreErrorKind.NotFound, () => store.PutAsync(new("a"), Text("x"), PutCondition.None, TestContext.Current.CancellationToken));
        Assert.Contains("no bucket 'no-such-bucket'", error.Message, StringComparison.Ordinal);
    }
}
