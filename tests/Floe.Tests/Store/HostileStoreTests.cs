using Floe.Store;
using Floe.Store.Manifests;
using Floe.Store.Packs;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Documents that verify and lie: what they claim is no reason to take memory, only what really comes is.</summary>
public sealed class HostileStoreTests
{
    private const int MiB = 1 << 20;

    private static readonly Dictionary<string, byte[]> s_content = new() { ["s"] = RandomBytes(1, 300_000) };

    [Fact]
    public async Task OpenAsync_IndexSaidToBeAGiB_TakesLittleMemoryAndIsDamaged()
    {
        var (objects, store, seq) = await ForgeAsync(m => m with { Index = m.Index with { Size = 1 << 30, RawBytes = 1 << 30 } });

        var damage = await Assert.ThrowsAsync<SnapshotDamagedException>(() => store.OpenSnapshotAsync(Key, seq, new SnapshotReaderOptions(), default));

        Assert.EndsWith(".index", damage.ObjectKey, StringComparison.Ordinal);
        Assert.InRange(objects.LongestRange, 1, 4 * MiB);
    }

    [Fact]
    public async Task ReadStreamsAsync_DirectorySaidToBeLong_TakesLittleMemoryAndIsDamaged()
    {
        var (objects, store, seq) = await ForgeAsync(m => m with { Packs = [.. m.Packs.Select(p => WithDirectory(p, 60 * MiB))] });
        var reader = await store.OpenSnapshotAsync(Key, seq, new SnapshotReaderOptions(), default);

        await Assert.ThrowsAsync<SnapshotDamagedException>(() => ReadAllAsync(reader));

        Assert.InRange(objects.LongestRange, 1, MiB);
    }

    [Fact]
    public async Task OpenAsync_DirectoryLongerThanAnyWriterMakes_IsImpossible()
    {
        var (_, store, seq) = await ForgeAsync(m => m with { Packs = [.. m.Packs.Select(p => WithDirectory(p, PackFormat.MaxDirectoryBytes + 1))] });

        var damage = await Assert.ThrowsAsync<SnapshotDamagedException>(() => store.OpenSnapshotAsync(Key, seq, new SnapshotReaderOptions(), default));

        Assert.Contains("impossible", damage.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task OpenAsync_DirectoriesTogetherLongerThanAnyReaderHolds_IsImpossible()
    {
        var (_, store, seq) = await ForgeAsync(m => m with
        {
            Packs = [.. Enumerable.Range(1, 300).Select(i => WithDirectory(m.Packs[0], 60 * MiB) with { Name = new PackName(1, i).ToString() })],
        });

        var damage = await Assert.ThrowsAsync<SnapshotDamagedException>(() => store.OpenSnapshotAsync(Key, seq, new SnapshotReaderOptions(), default));

        Assert.Contains("impossibly long", damage.Message, StringComparison.Ordinal);
    }

    /// <summary>What is longer than is read at once, and true.</summary>
    [Fact]
    public async Task ReadStreamsAsync_LongIndexAndDirectory_ReadsThemInPieces()
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var content = RandomBytes(7, 60_000 * 8);
        var images = Enumerable.Range(0, 12).Select(i => RandomBytes(i, MiB)).ToList();
        await using var writer = store.BeginSnapshot(lease, new KnownBlocks(), SmallBuffers);
        using (var sink = writer.CreateSink())
        {
            sink.BeginSegment(writer.AddStream("s"), 0);
            foreach (var block in content.Chunk(8))
            {
                sink.Append(block);
            }

            sink.EndSegment();
        }

        for (var i = 0; i < images.Count; i++)
        {
            writer.AddSmallImage($"image-{i}", images[i]);
        }

        var manifest = await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default);
        Assert.True(manifest.Index.Size > 12 * MiB && manifest.Packs.Max(p => p.DirectoryLength) > 600 << 10);

        var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default);

        Assert.Equal(content, (await ReadAllAsync(reader))["s"]);
        for (var i = 0; i < images.Count; i++)
        {
            Assert.True(reader.TryGetSmallImage($"image-{i}")!.Value.Span.SequenceEqual(images[i]));
        }

        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    private static PackReference WithDirectory(PackReference pack, int length) =>
        pack with { DirectoryLength = length, Size = pack.DirectoryOffset + length + PackFormat.FooterBytes };

    /// <summary>A snapshot whose manifest was changed and sealed anew.</summary>
    private static async Task<(MemoryObjectStore Objects, SnapshotStore Store, long Seq)> ForgeAsync(Func<Manifest, Manifest> change)
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), s_content);
        objects[StoreLayout.Manifest(Key, manifest.Seq).Value] = ManifestCodec.Write(change(manifest));
        objects.LongestRange = 0;
        return (objects, store, manifest.Seq);
    }
}
