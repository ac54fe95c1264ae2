using Floe.Store;
using Floe.Store.Coding;
using Floe.Store.Indexes;
using Floe.Store.Manifests;
using Floe.Store.Packs;
using Floe.Store.Reading;
using Floe.Store.Writing;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Parsers given random and mutated bytes: they succeed or throw InvalidDataException, nothing else, and allocate no more than the input deserves.</summary>
public sealed class ParserTests
{
    [Fact]
    public void Parse_RandomBytes_OnlyInvalidData()
    {
        var random = new Random(17);
        for (var i = 0; i < 20_000; i++)
        {
            var bytes = new byte[random.Next(300)];
            random.NextBytes(bytes);
            Tolerates(() => SnapshotIndex.Parse(bytes));
            Tolerates(() => ChunkedReader.Read(bytes, 1000));
            Tolerates(() => ChunkedReader.Read([.. "FLOEIDX1"u8, .. bytes], 1 << 30));
            Tolerates(() => PackDirectory.Parse(bytes, random.Next(1 << 20), random.Next(20)));
            Tolerates(() => PackFormat.ReadFooter(bytes, 100, 100));
            Tolerates(() => ManifestCodec.Read(bytes, Key, 1, "key", out _));
        }
    }

    [Fact]
    public async Task Decode_RandomRuns_OnlyInvalidData()
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var manifest = await WriteAsync(store, lease, new KnownBlocks(), new Dictionary<string, byte[]> { ["s"] = RandomBytes(1, 1_000_000) });
        var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions(), default);
        var frames = await reader.MapAsync(default);
        var random = new Random(5);
        for (var i = 0; i < 20_000; i++)
        {
            var good = reader.Index.Streams[0].Segments[i % reader.Index.Streams[0].Segments.Count];
            byte[] runs = [.. good.Runs];
            runs[random.Next(runs.Length)] = (byte)random.Next(256);
            Tolerates(() => RunDecoder.Decode(good with { Runs = runs }, frames).Count());
            var noise = new byte[random.Next(1, 40)];
            random.NextBytes(noise);
            Tolerates(() => RunDecoder.Decode(new StreamSegment(random.Next(1 << 20), noise), frames).Count());
        }
    }

    [Theory]
    [InlineData("a")]
    [InlineData("job-1.2_x")]
    public void TaskKey_Valid_Parses(string text) => Assert.Equal(text, TaskKey.Parse(text).Value);

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("-x")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a b")]
    [InlineData("a\n")]
    [InlineData("ä")]
    public void TaskKey_Hostile_IsRefusedWithReason(string? text)
    {
        Assert.False(TaskKey.TryParse(text, out _, out var error));
        Assert.NotEmpty(error);
    }

    [Fact]
    public void TaskKey_TooLong_IsRefused() => Assert.False(TaskKey.TryParse(new string('a', TaskKey.MaxLength + 1), out _, out _));

    private static void Tolerates(Func<object?> parse)
    {
        try
        {
            parse();
        }
        catch (InvalidDataException)
        {
        }
    }
}
