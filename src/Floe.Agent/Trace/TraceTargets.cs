using Floe.S3;
using Floe.Store;

namespace Floe.Agent.Trace;

/// <summary>Where a trace is kept. A write replaces the whole document: readers see the old one or the new one.</summary>
internal interface ITraceTarget
{
    /// <summary>The document's bytes; null when there is none.</summary>
    Task<byte[]?> ReadAsync(CancellationToken cancellationToken);

    /// <summary>False when another agent wrote since <see cref="ReadAsync"/>: read again.</summary>
    Task<bool> TryWriteAsync(byte[] content, CancellationToken cancellationToken);
}

/// <summary>An object that is replaced only while it is the one that was read.</summary>
internal sealed class ObjectTraceTarget : ITraceTarget
{
    private readonly Func<CancellationToken, Task<SmallObject?>> _read;
    private readonly Func<byte[], PutCondition, CancellationToken, Task<ETag>> _write;
    private ETag? _seen;

    private ObjectTraceTarget(Func<CancellationToken, Task<SmallObject?>> read, Func<byte[], PutCondition, CancellationToken, Task<ETag>> write) =>
        (_read, _write) = (read, write);

    /// <summary>Beside the task's snapshots in its store.</summary>
    public static ObjectTraceTarget OfTask(SnapshotStore store, TaskKey key) => new(
        token => store.ReadTraceAsync(key, token), (content, condition, token) => store.WriteTraceAsync(key, content, condition, token));

    /// <summary>At the top of a store that is one task's alone.</summary>
    public static ObjectTraceTarget OfStore(IObjectStore objects)
    {
        var key = new ObjectKey("trace.json");
        return new(token => objects.GetAsync(key, TraceLimits.MaxBytes, token), (content, condition, token) => objects.PutAsync(key, content, condition, token));
    }

    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        var found = await _read(cancellationToken).ConfigureAwait(false);
        _seen = found?.ETag;
        return found?.Content;
    }

    public async Task<bool> TryWriteAsync(byte[] content, CancellationToken cancellationToken)
    {
        try
        {
            _seen = await _write(content, _seen is { } seen ? PutCondition.IfMatch(seen) : PutCondition.IfAbsent, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ObjectStoreException e) when (e.Kind is ObjectStoreErrorKind.PreconditionFailed or ObjectStoreErrorKind.NotFound)
        {
            return false;
        }
    }
}

/// <summary>A file that the user named. One machine at a time writes it: the holder of the task's lease.</summary>
internal sealed class FileTraceTarget(string path) : ITraceTarget
{
    /// <summary>What the next version is called until it is whole.</summary>
    public static string Temporary(string path) => path + ".new";

    public async Task<byte[]?> ReadAsync(CancellationToken cancellationToken)
    {
        try
        {
            return new FileInfo(path).Length > TraceLimits.MaxBytes
                ? throw new IOException($"{path} is too large for a trace")
                : await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public async Task<bool> TryWriteAsync(byte[] content, CancellationToken cancellationToken)
    {
        await File.WriteAllBytesAsync(Temporary(path), content, cancellationToken).ConfigureAwait(false);
        File.Move(Temporary(path), path, overwrite: true);
        return true;
    }
}
