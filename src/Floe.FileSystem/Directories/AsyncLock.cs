namespace Floe.FileSystem.Directories;

/// <summary>A lock that is held across awaits; the holder disposes what it got.</summary>
internal sealed class AsyncLock
{
    private readonly SemaphoreSlim _free = new(1, 1);

    public async ValueTask<Holder> EnterAsync(CancellationToken cancellationToken)
    {
        await _free.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Holder(_free);
    }

    internal readonly struct Holder(SemaphoreSlim free) : IDisposable
    {
        public void Dispose() => free.Release();
    }
}
