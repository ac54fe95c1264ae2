using System.Diagnostics;
using Floe.S3;

namespace Floe.Bench;

/// <summary>What Floe's own S3 client needs for the bytes alone: from memory, nothing read, hashed or looked up.</summary>
internal static class PutPeer
{
    /// <summary>Writes <paramref name="bytes"/> in objects of <paramref name="objectBytes"/> over all of the store's connections.</summary>
    /// <param name="memory">At least that many bytes, so that no processor cache holds them.</param>
    public static async Task<double> MillisAsync(IObjectStore store, string name, NativeBlock memory, long bytes, int objectBytes, CancellationToken cancellationToken)
    {
        var objects = (int)((bytes + objectBytes - 1) / objectBytes);
        var started = Stopwatch.GetTimestamp();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = store.MaxConnections, CancellationToken = cancellationToken };
        await Parallel.ForAsync(0, objects, parallel, async (i, token) =>
        {
            var offset = (long)i * objectBytes;
            var content = memory.Slice(offset, (int)Math.Min(objectBytes, bytes - offset));
            await store.PutAsync(new ObjectKey($"{name}/{i}"), content, PutCondition.IfAbsent, token);
        });
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }
}
