using Floe.Criu.Streaming;
using Floe.Linux;
using Floe.Store.Blocks;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.Criu;

public sealed class ImagePipeTests : IDisposable
{
    private readonly NativeBuffer _memory = new(9 << 20);
    private readonly ImagePipe _pipe;
    private readonly FileStream _reader;

    public unsafe ImagePipeTests()
    {
        new Random(5).NextBytes(_memory.Span);
        var ends = stackalloc int[2];
        Assert.Equal(0, Interop.pipe2(ends, Interop.O_CLOEXEC));
        _reader = new FileStream(new SafeFileHandle(ends[0], true), FileAccess.Read, 1);
        _pipe = new ImagePipe(new SafeFileHandle(ends[1], true));
    }

    public void Dispose()
    {
        _pipe.Dispose();
        _reader.Dispose();
        ((IDisposable)_memory).Dispose();
    }

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(256 << 10, 1 << 20)]
    [InlineData(12_345, 300_001)]
    [InlineData(1 << 20, 4096)]
    [InlineData((9 << 20) - 1, 9 << 20)]
    public async Task LendAsync_MoreThanThePipeHolds_ArrivesInOrder(int lentAtOnce, int readAtOnce)
    {
        var reading = ReadAllAsync(readAtOnce);
        for (var start = 0; start < _memory.Length; start += lentAtOnce)
        {
            Assert.True(await _pipe.LendAsync(_memory.Memory[start..Math.Min(_memory.Length, start + lentAtOnce)], Token));
        }

        await _pipe.DrainAsync(0, Token);
        _pipe.Dispose();
        Assert.Equal(_memory.Span.ToArray(), await reading);
    }

    [Fact]
    public async Task DrainAsync_Returned_MemoryMayChange()
    {
        var expected = _memory.Span.ToArray();
        var reading = ReadAllAsync(100_000);
        const int Piece = 512 << 10;
        for (var start = 0; start < _memory.Length; start += Piece)
        {
            // What came before the last two pieces is given up and written over.
            await _pipe.LendAsync(_memory.Memory.Slice(start, Piece), Token);
            await _pipe.DrainAsync(2 * Piece, Token);
            _memory.Span[..Math.Max(0, start - Piece)].Clear();
        }

        await _pipe.DrainAsync(0, Token);
        _pipe.Dispose();
        Assert.Equal(expected, await reading);
    }

    [Fact]
    public async Task WriteAsync_BetweenLentMemoryAndZeros_KeepsTheOrder()
    {
        var reading = ReadAllAsync(70_000);
        await _pipe.LendAsync(_memory.Memory[..5000], Token);
        await _pipe.WriteAsync(new byte[] { 1, 2, 3 }, Token);
        await _pipe.LendZerosAsync((2 << 20) + 7, Token);
        await _pipe.LendAsync(_memory.Memory[..4096], Token);
        await _pipe.DrainAsync(0, Token);
        _pipe.Dispose();
        Assert.Equal([.. _memory.Span[..5000], 1, 2, 3, .. new byte[(2 << 20) + 7], .. _memory.Span[..4096]], await reading);
    }

    [Fact]
    public async Task LendAsync_ManagedMemory_IsCopied()
    {
        var array = new byte[] { 7, 8 };
        Assert.True(await _pipe.LendAsync(array, Token));
        array[0] = 0;
        _pipe.Dispose();
        Assert.Equal([7, 8], await ReadAllAsync(10));
    }

    [Fact]
    public async Task LendAsync_ReaderGone_ReturnsFalseAndDrains()
    {
        var lending = Task.Run(async () =>
        {
            while (await _pipe.LendAsync(_memory.Memory[..(256 << 10)], Token))
            {
            }

            await _pipe.DrainAsync(0, Token);
        });
        _reader.ReadExactly(new byte[100]);
        _reader.Dispose();
        await lending;
    }

    [Fact]
    public async Task LendAsync_Canceled_TouchesTheMemoryNoMore()
    {
        using var stop = new CancellationTokenSource();
        var lending = _pipe.LendAsync(_memory.Memory, stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => lending);
        var reading = ReadAllAsync(1 << 20);
        await Task.Delay(50, Token);
        _pipe.Dispose();
        Assert.InRange((await reading).Length, 0, 1 << 20);
    }

    private Task<byte[]> ReadAllAsync(int atOnce) => Task.Run(() =>
    {
        using var all = new MemoryStream();
        var buffer = new byte[atOnce];
        while (_reader.Read(buffer) is var count and > 0)
        {
            all.Write(buffer, 0, count);
        }

        return all.ToArray();
    });
}
