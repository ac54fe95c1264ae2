namespace Floe.FileSystem.Content;

/// <summary>Who changes the place of a file's blocks: fetches share it, all others have it alone. Not for use across awaits, and not twice by one thread.</summary>
#pragma warning disable CA1001 // The lock holds nothing but memory once nobody waits for it.
internal sealed class FillLock
#pragma warning restore CA1001
{
    private readonly ReaderWriterLockSlim _lock = new();

    public Holder Share()
    {
        _lock.EnterReadLock();
        return new Holder(_lock, isShared: true);
    }

    public Holder Take()
    {
        _lock.EnterWriteLock();
        return new Holder(_lock, isShared: false);
    }

    /// <summary>Without waiting; <see cref="Holder.IsTaken"/> tells.</summary>
    public Holder TryTake() => new(_lock.TryEnterWriteLock(0) ? _lock : null, isShared: false);

    internal readonly struct Holder(ReaderWriterLockSlim? owner, bool isShared) : IDisposable
    {
        public bool IsTaken => owner is not null;

        public void Dispose()
        {
            if (isShared)
            {
                owner?.ExitReadLock();
            }
            else
            {
                owner?.ExitWriteLock();
            }
        }
    }
}
