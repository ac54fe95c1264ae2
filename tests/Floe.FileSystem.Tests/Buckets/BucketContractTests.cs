using Floe.FileSystem.Tests.Doubles;
using Floe.S3.Buckets;
using Floe.Testing.S3;
using Xunit;

namespace Floe.FileSystem.Tests.Buckets;

/// <summary>The bucket in memory that most tests of the file system work on. Half a second.</summary>
public sealed class MemoryBucketContractTests : BucketContract
{
    protected override string BucketName => "memory-bucket";

    protected override IBucketService OpenService() => new MemoryBuckets(BucketName);
}

/// <summary>The mount's client over a socket, to a service of our own. Two seconds.</summary>
public sealed class S3DoubleBucketContractTests : BucketContract, IAsyncLifetime
{
    private S3Double? _server;

    protected override string BucketName => S3Double.Bucket;

    public async ValueTask InitializeAsync() => _server = await S3Double.StartAsync(new S3DoubleOptions { MaxPageEntries = 400 });

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _server!.DisposeAsync();
    }

    protected override IBucketService OpenService() => _server!.OpenBuckets();
}
