using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Stores written by each format version, kept for ever. They are never regenerated: a change that cannot read them is a change of format.</summary>
public sealed class GoldenTests
{
    private static readonly Dictionary<string, byte[]> s_second = new()
    {
        ["criu/pages-1.img"] = Content(40_000, 7),
        ["files/content/1"] = [.. Noise(20_000), .. new byte[100_000], .. Content(5_000, 3)],
        ["files/content/2"] = [],
    };

    private static readonly Dictionary<string, byte[]> s_first = new() { ["criu/pages-1.img"] = Content(30_000, 7), ["files/content/1"] = Noise(20_000) };

    [Fact]
    public async Task OpenSnapshotAsync_GoldenVersion1_ReadsBackEqual()
    {
        var folder = Path.Combine(Root(), "tests/Floe.Tests/Store/Golden/v1");
        if (Environment.GetEnvironmentVariable("FLOE_WRITE_GOLDEN") == "v1" && !Directory.Exists(folder))
        {
            await WriteAsync(folder);
        }

        var objects = new MemoryObjectStore();
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            objects[Path.GetRelativePath(folder, file).Replace('\\', '/')] = await File.ReadAllBytesAsync(file);
        }

        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);
        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.Equal([3, 2], listed.Select(l => l.Seq));
        AssertEqual(s_second, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 3, new SnapshotReaderOptions(), default)));
        AssertEqual(s_first, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 2, new SnapshotReaderOptions(), default)));
        Assert.Equal(["sleep", "1"], listed[0].Manifest!.Task.Command);
        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    private static async Task WriteAsync(string folder)
    {
        var objects = new MemoryObjectStore();
        var store = await OpenAsync(objects);
        await using (var lease = await store.AcquireLeaseAsync(Key, Request(), default))
        {
            var known = new KnownBlocks();
            await SnapshotFixture.WriteAsync(store, lease, known, s_first);
            await SnapshotFixture.WriteAsync(store, lease, known, s_second);
            await lease.ReleaseAsync(LeaseState.HandedOver, default);
        }

        foreach (var key in objects.Keys)
        {
            var path = Path.Combine(folder, key);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllBytesAsync(path, objects[key]);
        }
    }

    private static byte[] Content(int length, int step) => [.. Enumerable.Range(0, length).Select(i => (byte)((i / 50 * step) + (i % 50)))];

    private static byte[] Noise(int length)
    {
        var state = 12345u;
        return [.. Enumerable.Range(0, length).Select(_ =>
        {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            return (byte)(state >> 8);
        })];
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Floe.slnx")))
        {
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("the repository's root was not found above the tests");
        }

        return folder;
    }
}
