using System.Runtime.CompilerServices;
using Floe.S3;

namespace Floe.Tests.Store.Doubles;

/// <summary>
/// An object store in memory for tests of what is built on stores, with faults: fail operation N, be dead from operation N on,
/// or call a hook before each operation (interleavings). Its ETags are unique per write, as on a versioned bucket.
/// </summary>
internal sealed class MemoryObjectStore : IObjectStore
{
    private readonly SortedDictionary<string, (byte[] Content, ETag ETag, DateTimeOffset Modified)> _objects = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private int _operations;
    private int _writes;

    public MemoryObjectStore(TimeProvider? time = null) => _time = time ?? TimeProvider.System;

    public StoreUrl Url { get; } = StoreUrl.TryParse("/memory", out _)!;

    public int MaxConnections { get; init; } = 4;

    /// <summary>Operations so far, those that failed included.</summary>
    public int Operations => Volatile.Read(ref _operations);

    public long BytesPut { get; private set; }

    public int Gets { get; private set; }

    /// <summary>Bytes of the longest range that was asked for: memory that its reader has taken, whatever the store has.</summary>
    public int LongestRange { get; set; }

    /// <summary>From this operation on (1, 2, …) everything fails, the operation itself included; 0: never.</summary>
    public int DiesAt { get; set; }

    /// <summary>This operation fails, once.</summary>
    public int FailsAt { get; set; }

    /// <summary>A failing or dying write takes effect before it fails: the answer is lost, not the request.</summary>
    public bool FailsAfterEffect { get; set; }

    /// <summary>Whether the store tells its clock, as S3 does and a folder does not.</summary>
    public bool HasClock { get; init; }

    /// <summary>Sees the bytes of each read, with the place in the object of the first, before they are given out, and may damage them on their way.</summary>
    public Action<ObjectKey, long, byte[]>? OnItsWay { get; set; }

    /// <summary>Awaited before each operation.</summary>
    public Func<string, ObjectKey, Task>? Before { get; set; }

    public IReadOnlyList<string> Keys
    {
        get
        {
            lock (_lock)
            {
                return [.. _objects.Keys];
            }
        }
    }

    public byte[] this[string key]
    {
        get
        {
            lock (_lock)
            {
                return _objects[key].Content;
            }
        }

        set
        {
            lock (_lock)
            {
                _objects[key] = (value, NewETag(), _time.GetUtcNow());
            }
        }
    }

    public MemoryObjectStore Clone()
    {
        var clone = new MemoryObjectStore(_time) { HasClock = HasClock, MaxConnections = MaxConnections };
        lock (_lock)
        {
            clone._writes = _writes;
            foreach (var (key, value) in _objects)
            {
                clone._objects.Add(key, value);
            }
        }

        return clone;
    }

    public void Remove(string key)
    {
        lock (_lock)
        {
            _objects.Remove(key);
        }
    }

    public async Task<ObjectInfo?> HeadAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        await EnterAsync("HEAD", key, null, cancellationToken);
        lock (_lock)
        {
            return _objects.TryGetValue(key.Value, out var found) ? new ObjectInfo(key, found.Content.Length, found.ETag, found.Modified) : null;
        }
    }

    public async Task<SmallObject?> GetAsync(ObjectKey key, int maxBytes, CancellationToken cancellationToken)
    {
        await EnterAsync("GET", key, null, cancellationToken);
        lock (_lock)
        {
            if (!_objects.TryGetValue(key.Value, out var found))
            {
                return null;
            }

            return found.Content.Length <= maxBytes
                ? new SmallObject(Answer(key, 0, found.Content), found.ETag, HasClock ? _time.GetUtcNow() : null)
                : throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"{key} is too large");
        }
    }

    public async Task ReadRangeAsync(ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken)
    {
        await EnterAsync("RANGE", key, null, cancellationToken);
        lock (_lock)
        {
            Gets++;
            LongestRange = Math.Max(LongestRange, destination.Length);
            if (!_objects.TryGetValue(key.Value, out var found))
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.NotFound, $"{key} is not there");
            }

            if (offset + destination.Length > found.Content.Length)
            {
                throw new ObjectStoreException(ObjectStoreErrorKind.Truncated, $"{key} ends early");
            }

            var answer = Answer(key, offset, found.Content.AsSpan((int)offset, destination.Length));
            for (var done = 0; done < destination.Length;)
            {
                var piece = destination.From(done);
                answer.AsSpan(done, piece.Length).CopyTo(piece.Span);
                done += piece.Length;
            }
        }
    }

    public async Task<ETag> PutAsync(ObjectKey key, ReadOnlyMemory<byte> content, PutCondition condition, CancellationToken cancellationToken)
    {
        ETag etag = default;
        ObjectStoreException? refused = null;
        await EnterAsync("PUT", key, () => refused = Put(key, content, condition, out etag), cancellationToken);
        return refused is null ? etag : throw refused;
    }

    public async IAsyncEnumerable<ObjectInfo> ListAsync(ObjectKey prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await EnterAsync("LIST", prefix, null, cancellationToken);
        ObjectInfo[] found;
        lock (_lock)
        {
            found = [.. _objects.Where(o => o.Key.StartsWith(prefix.Value, StringComparison.Ordinal))
                .Select(o => new ObjectInfo(new ObjectKey(o.Key), o.Value.Content.Length, o.Value.ETag, o.Value.Modified))];
        }

        foreach (var item in found)
        {
            yield return item;
        }
    }

    public async IAsyncEnumerable<ObjectKey> ListFoldersAsync(ObjectKey prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var folders = new SortedSet<string>(StringComparer.Ordinal);
        await foreach (var item in ListAsync(prefix, cancellationToken))
        {
            var slash = item.Key.Value.IndexOf('/', prefix.Value.Length);
            if (slash > 0)
            {
                folders.Add(item.Key.Value[..(slash + 1)]);
            }
        }

        foreach (var folder in folders)
        {
            yield return new ObjectKey(folder);
        }
    }

    public async Task DeleteAsync(IReadOnlyCollection<ObjectKey> keys, CancellationToken cancellationToken)
    {
        foreach (var key in keys)
        {
            await EnterAsync(
                "DELETE",
                key,
                () =>
                {
                    lock (_lock)
                    {
                        _objects.Remove(key.Value);
                    }
                },
                cancellationToken);
        }
    }

    public Task DeleteOnceAsync(ObjectKey key, CancellationToken cancellationToken) => DeleteAsync([key], cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private byte[] Answer(ObjectKey key, long offset, ReadOnlySpan<byte> stored)
    {
        var bytes = stored.ToArray();
        OnItsWay?.Invoke(key, offset, bytes);
        return bytes;
    }

    private ObjectStoreException? Put(ObjectKey key, ReadOnlyMemory<byte> content, PutCondition condition, out ETag etag)
    {
        lock (_lock)
        {
            etag = default;
            var exists = _objects.TryGetValue(key.Value, out var old);
            if ((condition.MustBeAbsent && exists) || (condition.MustMatch is { } match && exists && old.ETag != match))
            {
                return new ObjectStoreException(ObjectStoreErrorKind.PreconditionFailed, $"{key} is not as expected");
            }

            if (condition.MustMatch is not null && !exists)
            {
                return new ObjectStoreException(ObjectStoreErrorKind.NotFound, $"{key} is not there");
            }

            etag = NewETag();
            _objects[key.Value] = (content.ToArray(), etag, _time.GetUtcNow());
            BytesPut += content.Length;
            return null;
        }
    }

    private ETag NewETag() => new($"\"{++_writes}\"");

    private async Task EnterAsync(string operation, ObjectKey key, Action? effect, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (Before is { } before)
        {
            await before(operation, key);
        }

        var number = Interlocked.Increment(ref _operations);
        var fails = number == FailsAt || (DiesAt > 0 && number >= DiesAt);
        if (!fails || (FailsAfterEffect && (number == FailsAt || number == DiesAt)))
        {
            effect?.Invoke();
        }

        if (fails)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.Unavailable, $"injected: operation {number}, {operation} {key}");
        }
    }
}
