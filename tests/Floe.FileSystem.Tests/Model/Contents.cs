namespace Floe.FileSystem.Tests.Model;

internal static class Contents
{
    /// <summary>Length and hash: enough to compare, short enough to print.</summary>
    public static string Describe(ReadOnlySpan<byte> content) => $"{content.Length} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(content))[..12]}";
}
