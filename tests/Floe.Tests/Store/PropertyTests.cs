using CsCheck;
using Floe.Store;
using Floe.Tests.Store.Doubles;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>Random streams of random pieces, written by several sinks with segments in any order, read back equal; twice, the second time against known blocks.</summary>
public sealed class PropertyTests
{
    private enum PieceKind
    {
        Random,
        Text,
        ZeroBlock,
        Hole,
        Repeat,
    }

    private static readonly Gen<(PieceKind Kind, int Length, int Seed)> s_piece =
        Gen.Select(Gen.Enum<PieceKind>(), Gen.OneOf(Gen.Int[1, 100], Gen.Int[1, BlockFormat.MaxBlockBytes], Gen.Const(BlockFormat.MaxBlockBytes)), Gen.Int[0, 12]);

    private static readonly Gen<List<(PieceKind Kind, int Length, int Seed)>> s_segment = s_piece.List[0, 40];

    private static readonly Gen<(int Sinks, int PackBytes, List<List<List<(PieceKind, int, int)>>> Streams)> s_snapshot =
        Gen.Select(Gen.Int[1, 4], Gen.Int[2 << 20, 3 << 20], s_segment.List[0, 6].List[0, 4]);

    [Fact]
    public async Task CommitAsync_RandomContentAndSinks_ReadsBackEqual() =>
        await s_snapshot.SampleAsync(RoundTripAsync, iter: 60, threads: 1);

    private static async Task RoundTripAsync((int Sinks, int PackBytes, List<List<List<(PieceKind, int, int)>>> Streams) input)
    {
        var store = await OpenAsync(new MemoryObjectStore());
        await using var lease = await store.AcquireLeaseAsync(Key, Request(), default);
        var known = new KnownBlocks();
        var options = SmallBuffers with { PackBytes = input.PackBytes };
        var expected = input.Streams.Select((segments, i) => ($"stream/{i}", segments.SelectMany(s => s.SelectMany(Bytes)).ToArray())).ToDictionary(s => s.Item1, s => s.Item2);
        for (var round = 0; round < 2; round++)
        {
            var manifest = await WriteAsync(store, lease, known, input.Streams, input.Sinks, options);
            Assert.Equal(expected.Values.Sum(v => (long)v.Length), manifest.Totals.RawBytes);
            Assert.True(round == 0 || manifest.Totals.NewBytes == 0);
            var reader = await store.OpenSnapshotAsync(Key, manifest.Seq, new SnapshotReaderOptions { BufferBudgetBytes = 4 << 20 }, default);
            AssertEqual(expected, await ReadAllAsync(reader));
        }

        Assert.True((await store.VerifyAsync(Key, null, default)).IsSound);
    }

    private static async Task<Manifest> WriteAsync(SnapshotStore store, Lease lease, KnownBlocks known, List<List<List<(PieceKind, int, int)>>> streams, int sinks, SnapshotWriterOptions options)
    {
        await using var writer = store.BeginSnapshot(lease, known, options);
        var work = streams.SelectMany((segments, i) =>
        {
            var id = writer.AddStream($"stream/{i}");
            return segments.Select((s, ordinal) => (Id: id, Ordinal: ordinal, Pieces: s));
        }).ToList();
        await Task.WhenAll(Enumerable.Range(0, sinks).Select(n => Task.Factory.StartNew(
            () =>
            {
                using var sink = writer.CreateSink();

                // Each sink takes every n-th segment, last one first.
                foreach (var (id, ordinal, pieces) in work.Where((_, i) => i % sinks == n).Reverse())
                {
                    sink.BeginSegment(id, ordinal);
                    foreach (var piece in pieces)
                    {
                        if (piece.Item1 == PieceKind.Hole)
                        {
                            sink.AppendZeros(piece.Item2);
                        }
                        else
                        {
                            sink.Append(Bytes(piece));
                        }
                    }

                    sink.EndSegment();
                }
            },
            TaskCreationOptions.LongRunning)));
        return await writer.CommitAsync(Facts, Machine, new SnapshotTimings(), default);
    }

    private static byte[] Bytes((PieceKind Kind, int Length, int Seed) piece) => piece.Kind switch
    {
        PieceKind.Random => RandomBytes(piece.Seed, piece.Length),
        PieceKind.Text => CompressibleBytes(piece.Seed, piece.Length),
        PieceKind.Repeat => RandomBytes(99, piece.Length),
        _ => new byte[piece.Length],
    };
}
