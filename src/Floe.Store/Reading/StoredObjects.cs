using Floe.S3;

namespace Floe.Store.Reading;

/// <summary>Reads parts of a snapshot's objects; what shows that an object is not what the manifest says is a <see cref="SnapshotDamagedException"/>.</summary>
internal static class StoredObjects
{
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
