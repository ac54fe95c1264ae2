using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Floe.Store.Compression;

/// <summary>
/// Writes LZ4 blocks of what programs have in memory: pointers, counters and small objects at places that are multiples of eight. So it looks at
/// whole words only, where liblz4 looks at every byte: two to three times as fast on heaps, a tenth weaker (docs/decisions/0011-compression-levels.md).
/// Objects of one kind lie side by side, so the distance of the last match is tried before the table. Any decoder of the format reads it
/// (lz4_Block_format.md of the LZ4 project: a match has at least 4 bytes, the last one begins 12 bytes before the end, and the last 5 are literals).
/// </summary>
internal static unsafe class Lz4Words
{
    private const int Word = 8;
    private const int MinMatch = 4;
    private const int LastLiterals = 5;

    /// <summary>A match found this far before the end keeps all rules, and no read of a word or a row of literals goes past it.</summary>
    private const int Margin = 28;

    private const int TableBits = 12;

    /// <summary>So many misses make a step a word longer.</summary>
    private const int MissesToStepBits = 6;

    /// <summary>Room behind the output for rows of literals that are copied longer than they are.</summary>
    private const int Row = 16;

    /// <summary>What a token, an offset and the ends of two lengths can take.</summary>
    private const int SequenceBytes = 8;

    public const int TableBytes = sizeof(ushort) << TableBits;

    /// <summary>Positions are kept in 16 bits.</summary>
    public const int MaxSourceBytes = 64 * 1024;

    /// <summary>Length of the block; 0 when it does not fit into <paramref name="capacity"/>, or the source is too short to be looked at.</summary>
    /// <param name="table"><see cref="TableBytes"/> of memory, whatever is in it.</param>
    public static int Compress(byte* source, int length, byte* destination, int capacity, void* table)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxSourceBytes);
        if (length <= Margin + Word)
        {
            return 0;
        }

        Unsafe.InitBlock(table, 0, TableBytes);
        var places = (ushort*)table;
        var end = source + length;
        var lastWord = end - Margin;
        var matchEnd = end - LastLiterals;
        var outputEnd = destination + capacity - Row - SequenceBytes;
        var output = destination;
        var anchor = source;
        var at = source + Word;
        nint distance = Word;
        var misses = 0u;
        while (at < lastWord)
        {
            var word = Read(at);
            var difference = word ^ Read(at - distance);
            byte* start;
            byte* match;
            if (difference == 0)
            {
                start = at;
                match = start - distance;
            }
            else if (difference >> 24 == 0)
            {
                // The upper half of a pointer, and at least one byte more: pointers into one arena differ in their lower ends.
                start = at + (Word / 2);
                match = start - distance;
            }
            else
            {
                var slot = (int)((word * 0x9E3779B97F4A7C15) >> (64 - TableBits));
                match = source + places[slot];
                places[slot] = (ushort)(at - source);
                if (Read(match) != word)
                {
                    at += Word * (1 + (nint)(misses++ >> MissesToStepBits));
                    continue;
                }

                start = at;
            }

            misses = 0;
            var next = start + MatchLength(start, match, matchEnd);
            while (start > anchor && match > source && start[-1] == match[-1])
            {
                start--;
                match--;
            }

            distance = (nint)(start - match);
            var literals = (nint)(start - anchor);
            var matched = (nint)(next - start) - MinMatch;
            if (output + literals + (literals / 255) + (matched / 255) > outputEnd)
            {
                return 0;
            }

            var token = output++;
            *token = (byte)((Math.Min(literals, 15) << 4) | Math.Min(matched, 15));
            output = PutLength(output, literals);
            CopyRows(anchor, output, literals);
            output += literals;
            Unsafe.WriteUnaligned(output, (ushort)distance);
            output = PutLength(output + sizeof(ushort), matched);
            anchor = next;
            at = source + (((nint)(next - source) + (Word - 1)) & ~(nint)(Word - 1));
        }

        var rest = (nint)(end - anchor);
        if (output + rest + (rest / 255) > outputEnd)
        {
            return 0;
        }

        *output++ = (byte)(Math.Min(rest, 15) << 4);
        output = PutLength(output, rest);
        Unsafe.CopyBlockUnaligned(output, anchor, (uint)rest);
        return (int)(output + rest - destination);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Read(byte* at) => Unsafe.ReadUnaligned<ulong>(at);

    /// <summary>How many bytes are the same, up to <paramref name="end"/>; the first <see cref="MinMatch"/> are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static nint MatchLength(byte* start, byte* match, byte* end)
    {
        var at = start + MinMatch;
        match += MinMatch;
        for (; at + Word <= end; at += Word, match += Word)
        {
            if ((Read(at) ^ Read(match)) is not 0 and var difference)
            {
                return (nint)(at - start) + (BitOperations.TrailingZeroCount(difference) >> 3);
            }
        }

        for (; at < end && *at == *match; at++, match++)
        {
        }

        return (nint)(at - start);
    }

    /// <summary>What of a length is beyond the 15 that its half of the token says.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* PutLength(byte* output, nint length)
    {
        if (length < 15)
        {
            return output;
        }

        for (length -= 15; length >= 255; length -= 255)
        {
            *output++ = 255;
        }

        *output++ = (byte)length;
        return output;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CopyRows(byte* from, byte* to, nint length)
    {
        var end = to + length;
        do
        {
            Vector128.Load(from).Store(to);
            from += Row;
            to += Row;
        }
        while (to < end);
    }
}
