using System.Buffers.Binary;
using System.Globalization;
using System.Security.Cryptography;

namespace Floe.Store.Blocks;

/// <summary>
/// What a task's blocks are hashed with, drawn when its first snapshot is begun and kept by all that build on that one. Without a seed two blocks of one
/// hash can be written down by hand, and who makes a file that a task reads could have one of them come back in the other's place.
/// </summary>
internal readonly record struct BlockSeed(ulong Value)
{
    /// <summary>16 hexadecimal digits; null for 0, the seed of snapshots from before there was one.</summary>
    public string? Text => Value == 0 ? null : Value.ToString("x16", CultureInfo.InvariantCulture);

    public static BlockSeed New()
    {
        Span<byte> random = stackalloc byte[sizeof(ulong)];
        ulong value;
        do
        {
            RandomNumberGenerator.Fill(random);
            value = BinaryPrimitives.ReadUInt64LittleEndian(random);
        }
        while (value == 0);

        return new BlockSeed(value);
    }

    /// <summary>Null where <paramref name="text"/> is no seed.</summary>
    public static BlockSeed? TryParse(string? text) =>
        text is null ? default(BlockSeed)
        : text.Length == 16 && text.All(char.IsAsciiHexDigitLower) && ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture) is > 0 and var value ? new BlockSeed(value)
        : null;
}
