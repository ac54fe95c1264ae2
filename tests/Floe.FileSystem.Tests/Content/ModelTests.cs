using Floe.FileSystem.Content;
using Xunit;
using static Floe.FileSystem.Tests.Content.ContentFixture;

namespace Floe.FileSystem.Tests.Content;

/// <summary>Random reads, writes, cuts, publications and reopenings of one file, against an array of bytes.</summary>
public sealed class ModelTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task AnySequence_ComparedWithAnArray_IsEqual(int seed)
    {
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = seed % 2 == 0 ? 20 << 20 : 256 << 20, MaxReadAheadBytes = 4 << 20 });
        var random = new Random(seed);
        var model = Bytes(random.Next(2) == 0 ? 0 : random.Next(30_000_000), seed);
        var content = await fixture.OpenAsync("f", model, Token);
        content.Open(canRead: true, canWrite: true);
        for (var step = 0; step < 150; step++)
        {
            var offset = random.Next(0, Math.Min(model.Length + 200_000, 40_000_000));
            switch (random.Next(12))
            {
                case < 5:
                    var bytes = Bytes(random.Next(1, random.Next(4) == 0 ? 3_000_000 : 70_000), (seed * 1000) + step);
                    await content.WriteAsync(offset, bytes, Token);
                    Array.Resize(ref model, Math.Max(model.Length, offset + bytes.Length));
                    bytes.CopyTo(model, offset);
                    break;
                case < 9:
                    var piece = new byte[random.Next(1, 400_000)];
                    var count = await content.ReadAsync(offset, piece, Token);
                    Assert.True(model.AsSpan(Math.Min(offset, model.Length), count).SequenceEqual(piece.AsSpan(0, count)), $"step {step}, offset {offset}");
                    Assert.Equal(Math.Clamp(model.Length - offset, 0, piece.Length), count);
                    break;
                case 9:
                    await content.TruncateAsync(offset, Token);
                    Array.Resize(ref model, offset);
                    break;
                case 10:
                    await content.SyncAsync(Token);
                    Assert.True(model.AsSpan().SequenceEqual(fixture.Server.Read("f")), $"step {step}");
                    break;
                default:
                    content.Close(canRead: true, canWrite: true);
                    content.Open(canRead: true, canWrite: true);
                    break;
            }
        }

        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        Assert.True(model.AsSpan().SequenceEqual(fixture.Server.Read("f")));
        AssertSame(model, await ReadAllAsync(content, Token));
        Assert.Equal(0, fixture.Server.OpenUploadCount);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task TwoWriters_LeavingHolesForLaterInAFullCache_WriteAsToAnArray(int seed)
    {
        const int Half = 32 << 20;
        await using var fixture = await StartAsync(o => o with { MaxCacheBytes = 24 << 20 });
        var model = new byte[2 * Half];
        var content = fixture.Store.Create(Target("f"));
        content.Open(canRead: true, canWrite: true);
        await Task.WhenAll(Enumerable.Range(0, 2).Select(half => Task.Run(() => WriteHalfAsync(half), Token)));
        await content.TruncateAsync(model.Length, Token);
        content.Close(canRead: true, canWrite: true);
        Assert.Empty(await fixture.Store.DrainAsync(includingOpen: false, Token));
        AssertSame(model, fixture.Server.Read("f"));
        AssertSame(model, await ReadAllAsync(content, Token));

        async Task WriteHalfAsync(int half)
        {
            var random = new Random((seed * 2) + half);
            var holes = new List<(int At, int Count)>();
            for (var at = half * Half; at < (half + 1) * Half;)
            {
                await WriteAsync(ref at, Math.Min(random.Next(1 << 20, 3 << 20), ((half + 1) * Half) - at));
                var hole = Math.Min(random.Next(3) switch { 0 => 0, 1 => BlockMap.BlockBytes, _ => random.Next(1, 200_000) }, ((half + 1) * Half) - at);
                holes.Add((at, hole));
                at += hole;
                if (random.Next(3) == 0)
                {
                    var (late, count) = holes[random.Next(holes.Count)];
                    late = Math.Max(late - random.Next(0, 100_000), half * Half);
                    await WriteAsync(ref late, Math.Min(Math.Max(count, 1), ((half + 1) * Half) - late));
                }
            }

            Task WriteAsync(ref int at, int count)
            {
                var start = at;
                random.NextBytes(model.AsSpan(start, count));
                at += count;
                return content.WriteAsync(start, model.AsMemory(start, count), Token).AsTask();
            }
        }
    }

    [Fact]
    public void PartGrid_AllParts_AreContiguousAndReachFiveTebibytes()
    {
        for (var number = 1; number < 10_000; number++)
        {
            Assert.Equal(PartGrid.Offset(number) + PartGrid.Bytes(number), PartGrid.Offset(number + 1));
            Assert.Equal(number, PartGrid.Number(PartGrid.Offset(number)));
            Assert.Equal(number, PartGrid.Number(PartGrid.Offset(number + 1) - 1));
        }

        Assert.True(PartGrid.Offset(10_000) + PartGrid.Bytes(10_000) >= PartGrid.MaxObjectBytes);
        Assert.True(PartGrid.Bytes(10_000) <= 5L << 30);
    }
}
