using Floe.Store;
using Floe.Store.Packs;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.GoldenStore;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>
/// A second store of version 1, kept beside the first for what that has none of: LZ4 and raw frames beside those of zstd, small images that travel
/// as streams, and the options that a manifest has of its task.
/// </summary>
public sealed class GoldenCodecTests
{
    private const string FrozenAt = "2026-11-28T12:34:56.7890123Z";

    private static readonly TaskFacts s_task = Facts with
    {
        Stdio = new StdioPipes(Stdout: "pipe:[4711]", Stderr: "pipe:[4712]"),
        Options = new Dictionary<string, string> { ["tcp"] = "close", ["memoryBytes"] = "123456789", ["mount"] = "", ["frozenAt"] = FrozenAt },
    };

    private static readonly Dictionary<string, byte[]> s_images = new() { ["criu/pstree.img"] = Noise(200, 5), ["files/list"] = Records(3_000, 6), ["stdio/stdout"] = [] };

    /// <summary>One sink each, so one frame or two: LZ4, LZ4 again for its other half, zstd, raw, and an LZ4 that did not pay and is raw.</summary>
    private static readonly Dictionary<string, byte[]> s_first = new()
    {
        ["criu/pages-1.img"] = Memory(),
        ["criu/core-1.img"] = Records(17_000, 2),
        ["files/content/1"] = Noise(9_000, 3),
        ["criu/mm-1.img"] = Noise(7_000, 4),
    };

    private static readonly Dictionary<string, byte[]> s_second = new()
    {
        ["criu/pages-1.img"] = [.. Memory()[..49_152], .. Records(16_384, 7), .. new byte[65_536], .. Memory()[65_536..]],
        ["criu/core-1.img"] = Records(17_000, 2),
        ["files/content/1"] = [.. Noise(9_000, 3), .. Records(5_000, 8)],
    };

    [Fact]
    public async Task OpenSnapshotAsync_FramesOfEveryCodec_ReadsBackEqual()
    {
        var objects = await GoldenStore.OpenAsync("v1-codecs", WriteAsync);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);

        var listed = await store.ListSnapshotsAsync(Key, default);
        Assert.Equal([3, 2], listed.Select(l => l.Seq));
        var newest = await store.OpenSnapshotAsync(Key, 3, new SnapshotReaderOptions(), default);
        AssertEqual(s_second, await ReadAllAsync(newest));
        AssertEqual(s_first, await ReadAllAsync(await store.OpenSnapshotAsync(Key, 2, new SnapshotReaderOptions(), default)));
        foreach (var (name, content) in s_images)
        {
            Assert.Equal(content, newest.TryGetSmallImage(name)!.Value.ToArray());
        }

        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
        Assert.Equal([FrameCodec.Raw, FrameCodec.Zstd, FrameCodec.Lz4], listed[1].Manifest!.Packs.SelectMany(p => Codecs(objects, p)).Distinct().Order());
    }

    [Fact]
    public async Task ListSnapshotsAsync_OptionsOfTheTask_AreUnderstood()
    {
        var objects = await GoldenStore.OpenAsync("v1-codecs", WriteAsync);
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: false, default);

        var manifest = (await store.ListSnapshotsAsync(Key, default))[0].Manifest!;

        Assert.Equal(s_task.Stdio, manifest.Task.Stdio);
        Assert.Equal(s_task.Options, manifest.Task.Options);
        Assert.Equal(DateTimeOffset.Parse(FrozenAt, null), Floe.Agent.Snapshots.Facts.FrozenAt(manifest));
        Assert.NotEqual(manifest.CreatedAt, Floe.Agent.Snapshots.Facts.FrozenAt(manifest));
        Assert.Equal(123_456_789, Floe.Agent.Snapshots.Facts.MemoryBytes(manifest.Task));
        Assert.Equal("", Floe.Agent.Snapshots.Facts.Mount(manifest.Task));
    }

    private static IEnumerable<FrameCodec> Codecs(MemoryObjectStore objects, PackReference pack)
    {
        var bytes = objects[$"tasks/{Key}/packs/{pack.Name}"];
        var directory = bytes.AsSpan((int)pack.DirectoryOffset, (int)pack.DirectoryLength);
        return PackDirectory.Parse(directory, pack.DirectoryOffset, frameCount: BitConverter.ToInt32(bytes.AsSpan(^20..^16))).Frames.Select(f => f.Codec);
    }

    private static async Task WriteAsync(MemoryObjectStore objects)
    {
        var store = await SnapshotFixture.OpenAsync(objects);
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        foreach (var streams in (Dictionary<string, byte[]>[])[s_first, s_second])
        {
            await using var writer = store.BeginSnapshot(lease, known, SmallBuffers with { Compression = new InTurn() });
            foreach (var (name, content) in streams)
            {
                using var sink = writer.CreateSink();
                sink.BeginSegment(writer.AddStream(name), 0);
                foreach (var block in content.Chunk(BlockFormat.MaxBlockBytes))
                {
                    sink.Append(block);
                }

                sink.EndSegment();
            }

            foreach (var (name, content) in s_images)
            {
                writer.AddSmallImage(name, content);
            }

            await writer.CommitAsync(s_task, Machine, new SnapshotTimings { DumpMillis = 1, CaptureMillis = 2 }, default);
        }

        await lease.ReleaseAsync(LeaseState.HandedOver, default);
    }

    /// <summary>80,000 bytes with what an LZ4 block can have: long matches, such of distance 1 and of nearly 64 KiB, and long literals.</summary>
    private static byte[] Memory() =>
        [.. Records(20_000, 1), .. Enumerable.Repeat((byte)0xAA, 5_000), .. Noise(2_000, 9), .. Records(30_000, 10), .. Records(8_400, 1), .. Records(14_600, 11)];

    /// <summary>As a heap: pointers near each other, small numbers and zeros.</summary>
    private static byte[] Records(int length, uint seed)
    {
        var random = Noise(length, seed);
        return [.. Enumerable.Range(0, length).Select(i => (i % 24) switch { < 2 => random[i], 2 => (byte)0x40, 3 or 4 => (byte)0x7F, 8 => (byte)(random[i] & 3), _ => (byte)0 })];
    }

    private sealed class InTurn : IFrameCompressionPolicy
    {
        private static readonly FrameEncoding[] s_encodings = [new(FrameCodec.Lz4), new(FrameCodec.Lz4), new(FrameCodec.Zstd, 3), new(FrameCodec.Raw), new(FrameCodec.Lz4)];

        private int _frames = -1;

        public FrameEncoding Next(in CompressionPressure pressure) => s_encodings[++_frames % s_encodings.Length];
    }
}
