using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Floe.S3;

/// <summary>
/// CRC-32C (Castagnoli, RFC 3720), the checksum that S3 verifies and processors compute. The instruction takes 8 bytes a cycle but answers after
/// three, so three stripes go side by side and are joined by tables that move a state past a stripe's length of zeros.
/// </summary>
public static class Crc32C
{
    private const int LongStripe = 8192;
    private const int ShortStripe = 256;

    private static readonly uint[] LongShift = ShiftTable(LongStripe);
    private static readonly uint[] ShortShift = ShiftTable(ShortStripe);

    public static uint Compute(ReadOnlySpan<byte> data) => Append(0, data);

    /// <summary>The checksum of what <paramref name="checksum"/> stands for (0: nothing) followed by the data.</summary>
    public static uint Append(uint checksum, ReadOnlySpan<byte> data)
    {
        var state = ~checksum;
        state = Striped(state, ref data, LongStripe, LongShift);
        state = Striped(state, ref data, ShortStripe, ShortShift);
        var words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (var word in words)
        {
            state = BitOperations.Crc32C(state, Little(word));
        }

        foreach (var b in data[(words.Length * sizeof(ulong))..])
        {
            state = BitOperations.Crc32C(state, b);
        }

        return ~state;
    }

    /// <summary>As the S3 headers carry it: base64 of the four bytes, highest first.</summary>
    public static string ToBase64(uint checksum)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, checksum);
        return Convert.ToBase64String(bytes);
    }

    private static uint Striped(uint state, ref ReadOnlySpan<byte> data, int stripeBytes, uint[] shift)
    {
        while (data.Length >= 3 * stripeBytes)
        {
            var a = MemoryMarshal.Cast<byte, ulong>(data[..stripeBytes]);
            var b = MemoryMarshal.Cast<byte, ulong>(data.Slice(stripeBytes, stripeBytes));
            var c = MemoryMarshal.Cast<byte, ulong>(data.Slice(2 * stripeBytes, stripeBytes));
            uint stateB = 0, stateC = 0;
            for (var i = 0; i < a.Length && i < b.Length && i < c.Length; i++)
            {
                state = BitOperations.Crc32C(state, Little(a[i]));
                stateB = BitOperations.Crc32C(stateB, Little(b[i]));
                stateC = BitOperations.Crc32C(stateC, Little(c[i]));
            }

            state = Shift(shift, state) ^ stateB;
            state = Shift(shift, state) ^ stateC;
            data = data[(3 * stripeBytes)..];
        }

        return state;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Little(ulong word) => BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word);

    private static uint Shift(uint[] table, uint state) =>
        table[state & 0xFF] ^ table[256 + ((state >> 8) & 0xFF)] ^ table[512 + ((state >> 16) & 0xFF)] ^ table[768 + (state >> 24)];

    /// <summary>For each byte of a state the state after <paramref name="zeroBytes"/> zeros; the CRC is linear, so a state's bits go separately.</summary>
    private static uint[] ShiftTable(int zeroBytes)
    {
        var bits = new uint[32];
        for (var bit = 0; bit < 32; bit++)
        {
            var state = 1u << bit;
            for (var i = 0; i < zeroBytes / sizeof(ulong); i++)
            {
                state = BitOperations.Crc32C(state, 0UL);
            }

            bits[bit] = state;
        }

        var table = new uint[4 * 256];
        for (var i = 0; i < table.Length; i++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                if ((i >> bit & 1) != 0)
                {
                    table[i] ^= bits[(i / 256 * 8) + bit];
                }
            }
        }

        return table;
    }
}
