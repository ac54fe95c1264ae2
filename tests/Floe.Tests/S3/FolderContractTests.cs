using Floe.S3;
using Floe.Testing;

namespace Floe.Tests.S3;

public sealed class FolderContractTests : ObjectStoreContract, IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    protected override ValueTask<IMultipartStore> OpenAsync() =>
        ValueTask.FromResult(ObjectStores.Open(StoreUrl.TryParse(_folder["store"], out _)!, new ObjectStoreOptions()));
}
