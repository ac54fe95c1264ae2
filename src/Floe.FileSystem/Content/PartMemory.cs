using System.Buffers;

namespace Floe.FileSystem.Content;

/// <summary>
/// Memory for parts that are put together while the cache is full, so many bytes at most for all of them. Who holds some waits only for the network,
/// and so gives it back.
/// </summary>
#pragma warning disable CA1001 // Semaphores whose wait handle nobody asks for hold nothing to dispose of.
internal sealed class PartMemory(long maxBytes)
#pragma warning restore CA1001
{
    /// <summary>One takes all the pieces that it needs before the next takes any: two never wait for each other.</summary>
    private readonly SemaphoreSlim _turn = new(1);

    private readonly SemaphoreSlim _pieces = new((int)(maxBytes / PartGrid.MinPartBytes));

    /// <summary>Whether a part of so many bytes has a place here at all.</summary>
    public bool Fits(long bytes) => Pieces(bytes) * PartGrid.MinPartBytes <= maxBytes;

    /// <summary>Waits for its turn. The memory is the caller's until it is disposed; what is in it is undefined.</summary>
    public async Task<Body> RentAsync(int bytes, CancellationToken cancellationToken)
    {
        var taken = 0;
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (; taken < Pieces(bytes); taken++)
            {
                await _pieces.WaitAsync(cancellationToken).ConfigureAwait(false);
            }

            return new Body(this, bytes);
        }
        catch when (taken > 0)
        {
            _pieces.Release(taken);
            throw;
        }
        finally
        {
            _turn.Release();
        }
    }

    private static int Pieces(long bytes) => (int)((bytes + PartGrid.MinPartBytes - 1) / PartGrid.MinPartBytes);

    /// <summary>The bytes of one part.</summary>
    public sealed class Body(PartMemory owner, int bytes) : IDisposable
    {
        private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(bytes);

        public Memory<byte> Bytes => _buffer.AsMemory(0, bytes);

        public void Dispose()
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            owner._pieces.Release(Pieces(bytes));
        }
    }
}
