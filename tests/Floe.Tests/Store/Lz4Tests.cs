using System.Buffers.Binary;
using System.Text;
using Floe.Store.Compression;
using Xunit;
using static Floe.Tests.Store.Doubles.SnapshotFixture;

namespace Floe.Tests.Store;

/// <summary>What our encoder writes is read by liblz4, whatever is in the memory and however little room there is.</summary>
public sealed unsafe class Lz4Tests
{
    private const int Guard = 64;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public void Compress_AnyMemoryAndAnyRoom_IsReadByLiblz4OrDoesNotFit(int seed)
    {
        var random = new Random(seed);
        var table = new byte[Lz4Words.TableBytes];
        var fitted = 0;
        for (var round = 0; round < 3000; round++)
        {
            var source = Memory(random, random.Next(4) == 0 ? random.Next(1, 200) : random.Next(1, Lz4Words.MaxSourceBytes + 1));
            var capacity = random.Next(3) == 0 ? random.Next(source.Length + 1) : source.Length + 64;
            var room = new byte[Guard + capacity + Guard];
            room.AsSpan().Fill(0xA5);
            random.NextBytes(table);
            int length;

            // SAFETY: the lengths are those of the arrays, and the room has a guard on both sides.
            fixed (byte* from = source)
            fixed (byte* to = room)
            fixed (byte* places = table)
            {
                length = Lz4Words.Compress(from, source.Length, to + Guard, capacity, places);
            }

            Assert.InRange(length, 0, capacity);
            Assert.DoesNotContain(room[..Guard], b => b != 0xA5);
            Assert.DoesNotContain(room[(Guard + capacity)..], b => b != 0xA5);
            if (length > 0)
            {
                fitted++;
                var back = new byte[source.Length];
                Assert.True(Lz4.TryDecompress(room.AsSpan(Guard, length), back));
                Assert.True(source.AsSpan().SequenceEqual(back));
            }
        }

        Assert.InRange(fitted, 1500, 3000);
    }

    [Fact]
    public void Compress_PagesOfAHeap_WordsAreEnough()
    {
        var heap = Objects(new Random(5), Lz4Words.MaxSourceBytes);
        using var lz4 = new Lz4();
        var both = lz4.Compress(heap, new byte[heap.Length]);
        Assert.Equal(Words(heap), both);
        Assert.InRange(both, 1, heap.Length * 3 / 5);
    }

    /// <summary>Hardly a word of a text stands at a multiple of eight twice.</summary>
    [Fact]
    public void Compress_Text_IsAsSmallAsLiblz4Makes()
    {
        var text = Text(new Random(6), Lz4Words.MaxSourceBytes);
        using var lz4 = new Lz4();
        var room = new byte[text.Length];
        var both = lz4.Compress(text, room);
        Assert.InRange(both, 1, text.Length * 7 / 10);
        Assert.InRange(Words(text), text.Length * 8 / 10, text.Length + 64);
        var back = new byte[text.Length];
        Assert.True(Lz4.TryDecompress(room.AsSpan(0, both), back));
        Assert.True(text.AsSpan().SequenceEqual(back));
    }

    /// <summary>The length of what words alone make.</summary>
    private static int Words(byte[] source)
    {
        var room = new byte[source.Length + 64];

        // SAFETY: the lengths are those of the arrays.
        fixed (byte* from = source)
        fixed (byte* to = room)
        fixed (byte* places = new byte[Lz4Words.TableBytes])
        {
            return Lz4Words.Compress(from, source.Length, to, room.Length, places);
        }
    }

    /// <summary>Pieces of every kind one after the other, at places that are multiples of eight and at others.</summary>
    private static byte[] Memory(Random random, int length)
    {
        var memory = new byte[length];
        for (var at = 0; at < length;)
        {
            var count = Math.Min(length - at, random.Next(1, 5000));
            var piece = random.Next(6) switch
            {
                0 => Objects(random, count),
                1 => RandomBytes(random.Next(), count),
                2 => Text(random, count),
                3 => new byte[count],
                4 when at > 0 => [.. Enumerable.Range(0, count).Select(i => memory[i % at])],
                _ => [.. Enumerable.Repeat((byte)random.Next(256), count)],
            };
            piece.CopyTo(memory.AsSpan(at));
            at += count;
        }

        return memory;
    }

    /// <summary>A count, a type and two references each, as an interpreter has them.</summary>
    private static byte[] Objects(Random random, int length)
    {
        var memory = new byte[length];
        for (var at = 0; at + 32 <= length; at += 32)
        {
            BinaryPrimitives.WriteInt64LittleEndian(memory.AsSpan(at), random.Next(1, 4));
            BinaryPrimitives.WriteInt64LittleEndian(memory.AsSpan(at + 8), 0x7F12_3456_0000 + (random.Next(4) * 0x1A0));
            BinaryPrimitives.WriteInt64LittleEndian(memory.AsSpan(at + 16), 0x7F12_4000_0000 + (random.Next(1 << 16) * 16));
            BinaryPrimitives.WriteInt64LittleEndian(memory.AsSpan(at + 24), random.Next(3) == 0 ? 0 : 0x7F12_4100_0000 + (at * 2));
        }

        return memory;
    }

    private static byte[] Text(Random random, int length)
    {
        var words = Enumerable.Range(0, 500).Select(_ => string.Concat(Enumerable.Range(0, random.Next(3, 12)).Select(_ => (char)random.Next('a', 'z' + 1)))).ToArray();
        var text = new StringBuilder();
        while (text.Length < length)
        {
            text.Append(words[random.Next(words.Length)]).Append(random.Next(5) == 0 ? ", " : " ");
        }

        return Encoding.ASCII.GetBytes(text.ToString())[..length];
    }
}
