namespace Floe.FileSystem.Content;

/// <summary>
/// Where the parts of an upload begin, fixed beforehand because a file's final length is not known when its first part goes up: 8 MiB each,
/// doubling after every 1,000 parts, so that 10,000 parts (S3's limit) reach past 5 TiB and none is larger than 5 GiB.
/// </summary>
internal static class PartGrid
{
    public const long MinPartBytes = 8 << 20;

    /// <summary>S3 takes no larger object.</summary>
    public const long MaxObjectBytes = 5L << 40;

    private const int PartsPerStep = 1000;

    /// <summary>Length of a full part. <paramref name="number"/> counts from 1.</summary>
    public static long Bytes(int number) => MinPartBytes << ((number - 1) / PartsPerStep);

    public static long Offset(int number)
    {
        var (step, rest) = Math.DivRem(number - 1, PartsPerStep);
        return (PartsPerStep * MinPartBytes * ((1L << step) - 1)) + (rest * (MinPartBytes << step));
    }

    /// <summary>The part that holds the byte at an offset.</summary>
    public static int Number(long offset)
    {
        for (var step = 0; ; step++)
        {
            var start = PartsPerStep * MinPartBytes * ((1L << step) - 1);
            var bytes = MinPartBytes << step;
            if (offset < start + (PartsPerStep * bytes))
            {
                return (step * PartsPerStep) + (int)((offset - start) / bytes) + 1;
            }
        }
    }

    /// <summary>Parts of a file of so many bytes; an empty one has none.</summary>
    public static int Count(long size) => size == 0 ? 0 : Number(size - 1);

    /// <summary>Length of a part in a file of this size.</summary>
    public static long BytesIn(int number, long size) => Math.Min(Bytes(number), size - Offset(number));
}
