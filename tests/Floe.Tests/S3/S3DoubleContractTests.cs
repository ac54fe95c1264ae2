using Floe.S3;
using Floe.Testing.S3;
using Xunit;

namespace Floe.Tests.S3;

public sealed class S3DoubleContractTests : ObjectStoreContract, IAsyncLifetime
{
    private S3Double? _server;

    public async ValueTask InitializeAsync() => _server = await S3Double.StartAsync(new S3DoubleOptions { MaxPageEntries = 400 });

    public async ValueTask DisposeAsync() => await _server!.DisposeAsync();

    protected override ValueTask<IMultipartStore> OpenAsync() => ValueTask.FromResult(_server!.Open("some/prefix"));
}
