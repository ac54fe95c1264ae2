using Floe.S3;

namespace Floe.Store.Reading;

/// <summary>Reads parts of a snapshot's objects; what shows that an object is not what the manifest says is a <see cref="SnapshotDamagedException"/>.</summary>
internal static class StoredObjects
{
    /// <summary>What <paramref name="verify"/> makes of a part of an object, read as below, and again where that does not go (<see cref="RepeatedRead"/>).</summary>
    public static Task<T> ReadAsync<T>(
        IObjectStore objects, ObjectKey key, long offset, int length, int atOnce, Func<ReadOnlyMemory<byte>, T> verify, CancellationToken cancellationToken) =>
        RepeatedRead.RunAsync(key, async () => await ReadAsync(objects, key, offset, length, atOnce, cancellationToken).ConfigureAwait(false), verify);

    /// <summary>Fills the memory from an object; that it is missing or too short is asked again (<see cref="RepeatedRead"/>). The bytes may be wrong.</summary>
    public static Task ReadSteadyAsync(IObjectStore objects, ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken) =>
        RepeatedRead.RunAsync<bool>(
            key,
            async () =>
            {
                await ReadAsync(objects, key, offset, destination, cancellationToken).ConfigureAwait(false);
                return default;
            },
            static _ => true);

    /// <summary>
    /// A part of an object as an array. Its length is somebody's claim, so memory grows with what really comes: up to
    /// <paramref name="atOnce"/> bytes take one request, what is longer is asked for in pieces that double.
    /// </summary>
    private static async Task<byte[]> ReadAsync(IObjectStore objects, ObjectKey key, long offset, int length, int atOnce, CancellationToken cancellationToken)
    {
        var bytes = Array.Empty<byte>();
        while (bytes.Length < length)
        {
            var read = bytes.Length;
            Array.Resize(ref bytes, (int)Math.Min(length, Math.Max(atOnce, 2L * read)));
            await ReadAsync(objects, key, offset + read, bytes.AsMemory(read), cancellationToken).ConfigureAwait(false);
        }

        return bytes;
    }

    public static async Task ReadAsync(IObjectStore objects, ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken)
    {
        try
        {
            await objects.ReadRangeAsync(key, offset, destination, cancellationToken).ConfigureAwait(false);
        }
        catch (ObjectStoreException damage) when (damage.Kind is ObjectStoreErrorKind.NotFound)
        {
            throw new SnapshotDamagedException(key.Value, "it is missing");
        }
        catch (ObjectStoreException damage) when (damage.Kind is ObjectStoreErrorKind.Truncated or ObjectStoreErrorKind.Corrupt)
        {
            throw new SnapshotDamagedException(key.Value, damage.Kind == ObjectStoreErrorKind.Truncated ? "it is cut off" : damage.Message);
        }
    }
}
