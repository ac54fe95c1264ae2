using Floe.S3;
using Xunit;

namespace Floe.Tests.S3;

public sealed class Crc32CTests
{
    /// <summary>RFC 3720, appendix B.4, and the usual check value.</summary>
    [Fact]
    public void Compute_PublishedVectors_Agree()
    {
        Assert.Equal(0xE3069283u, Crc32C.Compute("123456789"u8));
        Assert.Equal(0x8A9136AAu, Crc32C.Compute(new byte[32]));
        Assert.Equal(0x62A8AB43u, Crc32C.Compute(Enumerable.Repeat((byte)0xFF, 32).ToArray()));
        Assert.Equal(0x46DD794Eu, Crc32C.Compute(Enumerable.Range(0, 32).Select(i => (byte)i).ToArray()));
        Assert.Equal(0u, Crc32C.Compute([]));
    }

    [Fact]
    public void Compute_EveryStripeBoundary_EqualsBitByBit()
    {
        var data = new byte[100_000];
        new Random(1).NextBytes(data);
        foreach (var length in (int[])[1, 7, 8, 9, 255, 767, 768, 769, 1543, 24_575, 24_576, 24_577, 49_159, 100_000])
        {
            for (var start = 0; start < 3 && start < length; start++)
            {
                Assert.Equal(BitByBit(data.AsSpan(start, length - start)), Crc32C.Compute(data.AsSpan(start, length - start)));
            }
        }
    }

    [Fact]
    public void ToBase64_CheckValue_IsBigEndian() => Assert.Equal("4waSgw==", Crc32C.ToBase64(0xE3069283));

    private static uint BitByBit(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        foreach (var b in data)
        {
            crc ^= b;
            for (var bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * 0x82F63B78);
            }
        }

        return ~crc;
    }
}
