using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Floe.Store.Blocks;
using Floe.Store.Indexes;
using Floe.Store.Packs;

namespace Floe.Store.Manifests;

/// <summary>
/// Bytes of the documents in snapshots/: JSON whose last member is the SHA-256 of all bytes before it, so that no flipped bit in
/// a host name or a count goes unseen (docs/format.md, "Sealed JSON").
/// </summary>
internal static class ManifestCodec
{
    /// <summary>A task of 16,000 packs has a manifest of about 3 MB.</summary>
    public const int MaxBytes = 64 << 20;

    private const int SealHexDigits = 64;
    private static readonly byte[] s_sealStart = ",\"sha256\":\""u8.ToArray();
    private static readonly byte[] s_sealEnd = "\"}\n"u8.ToArray();

    public static byte[] Write(Manifest manifest) => Seal(JsonSerializer.SerializeToUtf8Bytes(manifest, StoreJson.Default.Manifest));

    public static byte[] Write(FenceDocument fence) => Seal(JsonSerializer.SerializeToUtf8Bytes(fence, StoreJson.Default.FenceDocument));

    /// <summary>
    /// The manifest in <paramref name="bytes"/>, or null and the fence that holds the slot. Anything else is an
    /// <see cref="InvalidDataException"/>; a document of a newer format an <see cref="UnsupportedFormatException"/>.
    /// </summary>
    public static Manifest? Read(ReadOnlySpan<byte> bytes, TaskKey task, long seq, string objectKey, out FenceDocument? fence)
    {
        CheckSeal(bytes);
        fence = null;
        try
        {
            var slot = JsonSerializer.Deserialize(bytes, StoreJson.Default.SlotDocument) ?? throw new InvalidDataException("it is null");
            FormatVersion.Check(slot.FormatVersion, slot.RequiredFeatures, objectKey);
            if (slot.Kind == FenceDocument.KindName)
            {
                fence = JsonSerializer.Deserialize(bytes, StoreJson.Default.FenceDocument)!;
                Require(fence.Key == task.Value && fence.Seq == seq && fence.Generation > 0, "it belongs to another place");
                return null;
            }

            Require(slot.Kind == Manifest.KindName, "it is neither a snapshot nor a fence");
            var manifest = JsonSerializer.Deserialize(bytes, StoreJson.Default.Manifest)!;
            Check(manifest, task, seq);
            return manifest;
        }
        catch (JsonException problem)
        {
            throw new InvalidDataException($"it is not the JSON of a manifest ({problem.Message})", problem);
        }
    }

    private static byte[] Seal(byte[] json)
    {
        // The object's closing brace gives way to the seal, which brings its own.
        var body = json.AsSpan(0, json.Length - 1);
        var hash = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body)));
        return [.. body, .. s_sealStart, .. hash, .. s_sealEnd];
    }

    private static void CheckSeal(ReadOnlySpan<byte> bytes)
    {
        var sealBytes = s_sealStart.Length + SealHexDigits + s_sealEnd.Length;
        Require(bytes.Length > sealBytes, "it is cut off");
        var body = bytes[..^sealBytes];
        var seal = bytes[^sealBytes..];
        Require(seal.StartsWith(s_sealStart) && seal.EndsWith(s_sealEnd), "it is cut off: its SHA-256 is missing at the end");
        Span<byte> expected = stackalloc byte[SealHexDigits];
        Encoding.ASCII.GetBytes(Convert.ToHexStringLower(SHA256.HashData(body)), expected);
        Require(seal.Slice(s_sealStart.Length, SealHexDigits).SequenceEqual(expected), "its SHA-256 does not match");
    }

    private static void Check(Manifest manifest, TaskKey task, long seq)
    {
        Require(manifest.FormatVersion == FormatVersion.Current, $"format version {manifest.FormatVersion} is none");
        Require(manifest.Key == task.Value && manifest.Seq == seq, "it belongs to another place");
        Require(manifest.Generation > 0 && manifest.OldestKept > 0 && manifest.OldestKept <= seq, "its generation or history is impossible");
        Require(
            BlockSeed.TryParse(manifest.BlockSeed) is { } seed && (seed != default) == manifest.RequiredFeatures.Contains(FormatVersion.BlockSeedFeature),
            "its block seed is none");
        Require(manifest.NextFrame is > 0 and <= 1L << 32, "its frame count is impossible");
        Require(
            IndexName.TryParse(manifest.Index.Name) is { } index && index.Seq == seq && IsSha256(manifest.Index.Sha256)
            && manifest.Index.Size is > 0 and <= SnapshotIndex.MaxBytes && manifest.Index.RawBytes is >= 0 and <= SnapshotIndex.MaxBytes,
            "its index is impossible");
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pack in manifest.Packs)
        {
            Require(
                pack is not null && PackName.TryParse(pack.Name) is not null && names.Add(pack.Name) && IsSha256(pack.DirectorySha256)
                && pack.Size is > 0 and <= PackFormat.MaxPackBytes && pack.DirectoryLength is > 0 and <= PackFormat.MaxDirectoryBytes && pack.DirectoryOffset > 0
                && pack.DirectoryOffset + pack.DirectoryLength + PackFormat.FooterBytes == pack.Size,
                "one of its packs is impossible");
        }

        Require(manifest.Packs.Sum(p => (long)p.DirectoryLength) <= PackFormat.MaxDirectoriesBytes, "its packs' directories are impossibly long");
    }

    private static bool IsSha256(string text) => text.Length == 64 && text.All(c => c is >= '0' and <= '9' or >= 'a' and <= 'f');

    private static void Require(bool holds, string problem)
    {
        if (!holds)
        {
            throw new InvalidDataException(problem);
        }
    }
}
