using System.Buffers;

namespace Floe.FileSystem.Tests.Model;

internal static class Contents
{
    /// <summary>More than any file of the random sequences has.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>Length and hash: enough to compare, short enough to print.</summary>
    public static string Describe(ReadOnlySpan<byte> content) => $"{content.Length} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(content))[..12]}";

    /// <summary>A time within the first days of 1970 was set by the test; any other is that of a change.</summary>
    public static string DescribeAttributes(uint mode, uint uid, uint gid, long seconds, uint nanos) =>
        $"{Convert.ToString((int)(mode & 0xFFF), 8)} {uid}:{gid} {(seconds < 1_000_000 ? $"{seconds}.{nanos:d9}" : "now")}";

    /// <summary>Lent until <see cref="Return"/>: a fresh megabyte for every file read would be most of the work.</summary>
    public static byte[] Rent() => ArrayPool<byte>.Shared.Rent(MaxBytes);

    public static void Return(byte[] buffer) => ArrayPool<byte>.Shared.Return(buffer);
}
