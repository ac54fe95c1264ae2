using Floe.Fuse.Serving;
using Floe.Testing;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.FileSystem.Tests.Requests;

/// <summary>Memory of requests of which many wait. Less than a second.</summary>
public sealed class RequestBufferPoolTests : IDisposable
{
    private const int Largest = (1 << 20) + 4096;

    private readonly ScratchFolder _scratch = new();
    private readonly SafeFileHandle _file;
    private readonly RequestBufferPool _pool;

    public RequestBufferPoolTests()
    {
        _file = File.OpenHandle(_scratch["spill"], FileMode.Create, FileAccess.ReadWrite);
        _pool = new RequestBufferPool(4 << 20, Largest, () => _file);
    }

    public void Dispose()
    {
        _pool.Dispose();
        _file.Dispose();
        _scratch.Dispose();
    }

    [Fact]
    public void Hold_MoreThanMemoryTakes_KeepsEveryByteAndGivesTheFilesSpaceBack()
    {
        var held = Enumerable.Range(1, 10).Select(i => Held(_pool, Largest - 1000 - i, (byte)i)).ToList();
        Assert.Equal(9, held.Count(b => b.SpillSlot is not null));
        for (var i = 1; i <= held.Count; i++)
        {
            Assert.False(held[i - 1].GetSpan()[..(Largest - 1000 - i)].ContainsAnyExcept((byte)i));
        }

        held.ForEach(b => b.Return());
        var file = new byte[1];
        Assert.Equal(1, RandomAccess.Read(_file, file, 0));
        Assert.Equal(0, file[0]);
        // Nothing counts as held any more.
        Assert.Null(Held(_pool, 100, 1).SpillSlot);
    }

    [Fact]
    public void Hold_ManyOfAFewBytes_StayInMemory()
    {
        var held = Enumerable.Range(0, 200).Select(i => Held(_pool, 100, (byte)i)).ToList();
        Assert.All(held, b => Assert.Null(b.SpillSlot));
        Assert.All(held.Index(), b => Assert.False(b.Item.GetSpan()[..100].ContainsAnyExcept((byte)b.Index)));
        held.ForEach(b => b.Return());
    }

    /// <summary>What ends the waiting may come by the thread that would wait.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Hold_NoFileOrItsDiskIsFull_NobodyWaits(bool hasFile)
    {
        // Every write to it is ENOSPC.
        using var full = File.OpenHandle("/dev/full", FileMode.Open, FileAccess.ReadWrite);
        using var pool = new RequestBufferPool(4 << 20, Largest, hasFile ? () => full : null);
        var held = Enumerable.Range(1, 30).Select(i => Held(pool, Largest, (byte)i)).ToList();
        Assert.All(held.Index(), b => Assert.False(b.Item.GetSpan().ContainsAnyExcept((byte)(b.Index + 1))));
        held.ForEach(b => b.Return());
    }

    [Fact]
    public void Rent_MoreThanTheBudget_NobodyWaits()
    {
        var rented = Enumerable.Range(0, 20).Select(_ => _pool.Rent(Largest)).ToList();
        rented.ForEach(b => b.GetSpan()[^1] = 1);
        rented.ForEach(b => b.Return());
    }

    private static RequestBuffer Held(RequestBufferPool pool, int bytes, byte value)
    {
        var buffer = pool.Rent(Largest);
        buffer.GetSpan()[..bytes].Fill(value);
        pool.Hold(buffer, bytes);
        return buffer;
    }
}
