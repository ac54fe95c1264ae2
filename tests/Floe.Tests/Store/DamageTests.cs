using Floe.S3;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Flipped, cut and missing objects: verify names them, and reading fails rather than give wrong bytes.</summary>
public sealed class DamageTests
{
    private static readonly Dictionary<string, byte[]> s_old = new() { ["s"] = CompressibleBytes(7, 200_000) };
    private static readonly Dictionary<string, byte[]> s_new = new() { ["s"] = [.. CompressibleBytes(1, 150_000), .. RandomBytes(2, 40_000), .. new byte[50_000]], ["t"] = RandomBytes(3, 100) };

    [Theory]
    [InlineData(".json")]
    [InlineData(".index")]
    [InlineData("packs/")]
    public async Task Verify_ByteFlippedAnywhere_NamesObjectAndReadThrows(string kind)
    {
        var objects = await TwoSnapshotsAsync();
        var key = NewestKey(objects, kind);
        var length = objects[key].Length;
        for (var i = 0; i < length; i += Math.Max(1, length / 150))
        {
            await AssertDamageIsSeenAsync(objects, key, bytes => bytes[i] ^= (byte)(1 << (i % 8)));
        }
    }

    [Theory]
    [InlineData(".json")]
    [InlineData(".index")]
    [InlineData("packs/")]
    public async Task Verify_TruncatedAnywhere_NamesObjectAndReadThrows(string kind)
    {
        var objects = await TwoSnapshotsAsync();
        var key = NewestKey(objects, kind);
        var content = objects[key];
        for (var length = 0; length < content.Length; length += Math.Max(1, content.Length / 40))
        {
            await AssertDamageIsSeenAsync(objects, key, null, content[..length]);
        }
    }

    [Theory]
    [InlineData(".index")]
    [InlineData("packs/")]
    public async Task Verify_ObjectMissing_NamesIt(string kind)
    {
        var objects = await TwoSnapshotsAsync();
        var key = NewestKey(objects, kind);
        objects.Remove(key);
        var store = await OpenAsync(objects);
        Assert.Contains((await store.VerifyAsync(Key, null, default)).Problems, p => p.ObjectKey == key);
        await AssertFallsBackAsync(store, key);
    }

    [Fact]
    public async Task OpenAsync_NewerStore_SaysUpgrade()
    {
        var objects = await TwoSnapshotsAsync();
        objects["floe.json"] = "{\"kind\":\"floe-store\",\"formatVersion\":2}"u8.ToArray();
        var refused = await Assert.ThrowsAsync<UnsupportedFormatException>(() => OpenAsync(objects));
        Assert.Contains("upgrade floe", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_RequiredFeatureUnknown_SaysUpgrade()
    {
        var objects = await TwoSnapshotsAsync();
        objects["floe.json"] = "{\"kind\":\"floe-store\",\"formatVersion\":1,\"requiredFeatures\":[\"encryption\"]}"u8.ToArray();
        var refused = await Assert.ThrowsAsync<UnsupportedFormatException>(() => OpenAsync(objects));
        Assert.Contains("encryption", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{}")]
    [InlineData("null")]
    [InlineData("{\"kind\":\"other\",\"formatVersion\":1}")]
    public async Task OpenAsync_PlaceOfSomethingElse_Refuses(string content)
    {
        var objects = new MemoryObjectStore { ["floe.json"] = System.Text.Encoding.UTF8.GetBytes(content) };
        await Assert.ThrowsAsync<UnsupportedFormatException>(() => OpenAsync(objects));
    }

    [Fact]
    public async Task OpenAsync_NoStoreAndNotCreating_IsNotFound()
    {
        var refused = await Assert.ThrowsAsync<ObjectStoreException>(() => SnapshotStore.OpenAsync(new MemoryObjectStore(), new SnapshotStoreOptions(), create: false, default));
        Assert.Equal(ObjectStoreErrorKind.NotFound, refused.Kind);
    }

    private static async Task AssertDamageIsSeenAsync(MemoryObjectStore objects, string key, Action<byte[]>? change, byte[]? replacement = null)
    {
        var good = objects[key];
        var bad = replacement ?? [.. good];
        change?.Invoke(bad);
        objects[key] = bad;
        var store = await OpenAsync(objects);
        var report = await store.VerifyAsync(Key, null, default);
        Assert.Contains(report.Problems, p => p.ObjectKey == key);
        await AssertFallsBackAsync(store, key);
        objects[key] = good;
    }

    /// <summary>The newest snapshot opens not at all, or its reading throws, naming the object; the one before is whole.</summary>
    private static async Task AssertFallsBackAsync(SnapshotStore store, string key)
    {
        var listed = await store.ListSnapshotsAsync(Key, default);
        var damage = await Assert.ThrowsAsync<SnapshotDamagedException>(async () =>
            await ReadAllAsync(await store.OpenSnapshotAsync(Key, listed[0].Seq, new SnapshotReaderOptions(), default)));
        Assert.Equal(key, damage.ObjectKey);
        AssertEqual(s_old, await ReadAllAsync(await store.OpenSnapshotAsync(Key, listed[1].Seq, new SnapshotReaderOptions(), default)));
    }

    private static string NewestKey(MemoryObjectStore objects, string kind) =>
        objects.Keys.Last(k => k.Contains(kind, StringComparison.Ordinal) && k.StartsWith("tasks/", StringComparison.Ordinal) && !k.EndsWith("lease.json", StringComparison.Ordinal));

    private static async Task<MemoryObjectStore> TwoSnapshotsAsync()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        await WriteAsync(store, lease, new KnownBlocks(), s_old);
        await WriteAsync(store, lease, new KnownBlocks(), s_new);
        return objects;
    }
}
