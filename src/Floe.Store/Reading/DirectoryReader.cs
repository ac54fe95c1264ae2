using System.Security.Cryptography;
using Floe.S3;
using Floe.Store.Packs;

namespace Floe.Store.Reading;

/// <summary>Fetches a pack's directory and footer, in one request unless they are very long, and checks them against the manifest.</summary>
internal static class DirectoryReader
{
    /// <summary>Of a pack of 64 MiB in blocks of 16 KiB it is 80 KiB.</summary>
    private const int BytesAtOnce = 512 << 10;

    public static Task<PackDirectory> ReadAsync(IObjectStore objects, TaskKey task, PackReference pack, CancellationToken cancellationToken)
    {
        var key = StoreLayout.Pack(task, PackName.TryParse(pack.Name)!.Value);
        return StoredObjects.ReadAsync(
            objects, key, pack.DirectoryOffset, pack.DirectoryLength + PackFormat.FooterBytes, BytesAtOnce, bytes => Parse(key, pack, bytes.Span), cancellationToken);
    }

    public static PackDirectory Parse(ObjectKey key, PackReference pack, ReadOnlySpan<byte> directoryAndFooter)
    {
        var directory = directoryAndFooter[..pack.DirectoryLength];
        if (!Convert.ToHexStringLower(SHA256.HashData(directory)).Equals(pack.DirectorySha256, StringComparison.Ordinal))
        {
            throw new SnapshotDamagedException(key.Value, "the SHA-256 of its directory does not match the manifest");
        }

        try
        {
            var frames = PackFormat.ReadFooter(directoryAndFooter[pack.DirectoryLength..], pack.DirectoryOffset, pack.DirectoryLength);
            return PackDirectory.Parse(directory, pack.DirectoryOffset, frames);
        }
        catch (InvalidDataException problem)
        {
            throw new SnapshotDamagedException(key.Value, problem.Message);
        }
    }
}
