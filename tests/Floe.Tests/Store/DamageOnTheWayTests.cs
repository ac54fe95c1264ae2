using Floe.S3;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>What the store has is whole, and a read of it is not: that condemns no snapshot.</summary>
public sealed class DamageOnTheWayTests : IAsyncDisposable
{
    private static readonly Dictionary<string, byte[]> s_content = new() { ["s"] = [.. CompressibleBytes(1, 150_000), .. RandomBytes(2, 40_000), .. new byte[50_000]], ["t"] = RandomBytes(3, 100) };

    private readonly MemoryObjectStore _objects = new();

    public ValueTask DisposeAsync() => _objects.DisposeAsync();

    [Theory]
    [InlineData("lease.json", 1)]
    [InlineData(".json", 1)]
    [InlineData(".json", 2)]
    [InlineData(".index", 1)]
    [InlineData(".index", 2)]
    [InlineData("packs/", 1)]
    [InlineData("packs/", 2)]
    public async Task Read_SomeBytesChangedOnce_IsWhole(string kind, int times)
    {
        var store = await OneSnapshotAsync();
        Damage(kind, times);

        var reader = await OpenNewestAsync(store);

        AssertEqual(s_content, await ReadAllAsync(reader));
        Damage(kind, times);
        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    /// <summary>Every frame is hit where it lies, in whatever request it comes.</summary>
    [Fact]
    public async Task Read_EachFrameChangedOnce_IsWhole()
    {
        var store = await OneSnapshotAsync();
        var reader = await OpenNewestAsync(store);
        var left = reader.Map!.Directories[0].Frames.Select(f => f.Offset).ToHashSet();
        _objects.OnItsWay = (key, offset, bytes) =>
        {
            foreach (var at in left.Where(at => key == reader.Map.Keys[0] && at >= offset && at < offset + bytes.Length).ToList())
            {
                bytes[at - offset] ^= 4;
                left.Remove(at);
            }
        };

        AssertEqual(s_content, await ReadAllAsync(reader));
        Assert.Empty(left);
    }

    [Theory]
    [InlineData(".json")]
    [InlineData(".index")]
    [InlineData("packs/")]
    public async Task Read_WrongInAnotherWayEachTime_IsTheStoresFaultAndNoDamage(string kind)
    {
        var store = await OneSnapshotAsync();
        var bit = 0;
        _objects.OnItsWay = (key, _, bytes) =>
        {
            if (key.Value.Contains(kind, StringComparison.Ordinal) && !key.Value.EndsWith("lease.json", StringComparison.Ordinal))
            {
                bytes[bytes.Length / 2] ^= (byte)(1 << (bit++ % 8));
            }
        };

        var failure = await Assert.ThrowsAsync<ObjectStoreException>(async () => await ReadAllAsync(await OpenNewestAsync(store)));

        Assert.Equal(ObjectStoreErrorKind.Unavailable, failure.Kind);
        Assert.Contains("3 reads in a row were wrong", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task PruneAsync_ManifestOfTheNewestReadWrong_TakesNothingOfIt(int times)
    {
        var store = await OpenAsync(_objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) });
        var newest = await WriteAsync(store, lease, known, s_content);
        Damage($"{newest.Seq:00000000}.json", times);

        await store.PruneAsync(lease, known, 1, default);

        AssertEqual(s_content, await ReadAllAsync(await OpenNewestAsync(store)));
        Assert.True((await store.VerifyAsync(Key, newest.Seq, default)).IsSound);
    }

    /// <summary>As above, however often it is read: to another reader it may be whole.</summary>
    [Fact]
    public async Task PruneAsync_ManifestOfTheNewestCannotBeRead_PacksStay()
    {
        var store = await OpenAsync(_objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 300_000) });
        await WriteAsync(store, lease, known, new Dictionary<string, byte[]> { ["s"] = RandomBytes(2, 300_000) });
        var newest = await WriteAsync(store, lease, known, s_content);
        Damage($"{newest.Seq:00000000}.json", int.MaxValue);

        await store.PruneAsync(lease, known, 1, default);

        _objects.OnItsWay = null;
        AssertEqual(s_content, await ReadAllAsync(await OpenNewestAsync(store)));
        Assert.Equal(2, (await store.ListSnapshotsAsync(Key, default)).Count);

        // Once it lies below all that is kept it goes as it does otherwise.
        await WriteAsync(store, lease, known, s_content);
        await store.PruneAsync(lease, known, 1, default);
        Assert.Single(_objects.Keys, k => k.Contains("/packs/", StringComparison.Ordinal));
    }

    private async Task<SnapshotStore> OneSnapshotAsync()
    {
        var store = await OpenAsync(_objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await WriteAsync(store, lease, new KnownBlocks(), s_content);
        return store;
    }

    private void Damage(string kind, int times) => _objects.OnItsWay = (key, _, bytes) =>
    {
        if (times > 0 && key.Value.Contains(kind, StringComparison.Ordinal) && key.Value.StartsWith("tasks/", StringComparison.Ordinal))
        {
            times--;
            bytes[bytes.Length / 3] ^= 1;
        }
    };
}
