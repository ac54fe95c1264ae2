using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;

namespace Floe.Operations.Layers;

/// <summary>What a registry and a runtime know a layer by.</summary>
/// <param name="TarDigest">"sha256:…" of the tar: the diff id.</param>
/// <param name="GzipDigest">"sha256:…" of the compressed tar: the blob.</param>
public sealed record LayerDigests(string TarDigest, string GzipDigest, long GzipSize, long TarSize);

/// <summary>What a layer's entry may do once it is unpacked.</summary>
public readonly record struct LayerEntry(UnixFileMode Mode, int Uid, int Gid);

/// <summary>
/// Writes the bundle as a container layer for `/`: the bundle at /opt/floe, /usr/bin/fusion and /usr/bin/floe as links to it, and the
/// mount point /fusion. The same bundle gives the same bytes: names sorted, owner root, one time for all, modes as they are.
/// The program alone carries the set-user-id bit, so that it can mount and freeze in a container that runs as another user; see SetUserId.
/// No entry for /usr or /usr/bin: a layer must not change folders that belong to the image.
/// </summary>
public static class LayerArchive
{
    public const string BundleAt = "opt/floe";

    /// <summary>What the entry point leads to through two symbolic links, whose own modes do not count.</summary>
    public const string Program = BundleAt + "/bin/floe";

    /// <summary>rwsr-xr-x.</summary>
    public const UnixFileMode ProgramMode = UnixFileMode.SetUser | (UnixFileMode)0b111_101_101;

    /// <summary>The container's entry point.</summary>
    public const string EntryPoint = "/usr/bin/fusion";

    // 1980 is the first year that every format and tool can hold.
    private static readonly DateTimeOffset s_time = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <param name="output">Seekable or not; written from its position on.</param>
    public static async Task<LayerDigests> WriteAsync(string bundleFolder, Stream output, CancellationToken cancellationToken)
    {
        await using var compressed = new DigestStream(output);
        LayerDigests digests;
        await using (var gzip = new GZipStream(compressed, CompressionLevel.SmallestSize, leaveOpen: true))
        await using (var plain = new DigestStream(gzip))
        {
            await using (var tar = new TarWriter(plain, TarEntryFormat.Ustar, leaveOpen: true))
            {
                await WriteFolderAsync(tar, bundleFolder, BundleAt, cancellationToken).ConfigureAwait(false);
                await tar.WriteEntryAsync(Entry(TarEntryType.Directory, "fusion/", Mode(0b111_101_101)), cancellationToken).ConfigureAwait(false);
                foreach (var name in (string[])["floe", "fusion"])
                {
                    var link = Entry(TarEntryType.SymbolicLink, $"usr/bin/{name}", Mode(0b111_111_111));
                    link.LinkName = $"../../{BundleAt}/bin/{name}";
                    await tar.WriteEntryAsync(link, cancellationToken).ConfigureAwait(false);
                }
            }

            digests = new LayerDigests(plain.Digest(), "", 0, plain.Count);
        }

        return digests with { GzipDigest = compressed.Digest(), GzipSize = compressed.Count };
    }

    /// <summary>Reads a layer to its end; what it is by its digests, and its entries by name.</summary>
    /// <exception cref="InvalidDataException">Not a tar in gzip, or an entry that would leave the root.</exception>
    public static async Task<(LayerDigests Digests, IReadOnlyDictionary<string, LayerEntry> Entries)> ReadAsync(Stream input, CancellationToken cancellationToken)
    {
        await using var compressed = new DigestStream(input);
        var entries = new Dictionary<string, LayerEntry>(StringComparer.Ordinal);
        string tarDigest;
        long tarSize;
        await using (var gzip = new GZipStream(compressed, CompressionMode.Decompress, leaveOpen: true))
        await using (var plain = new DigestStream(gzip))
        {
            await using (var tar = new TarReader(plain, leaveOpen: true))
            {
                while (await tar.GetNextEntryAsync(copyData: false, cancellationToken).ConfigureAwait(false) is { } entry)
                {
                    if (entry.Name.StartsWith('/') || entry.Name.Split('/').Contains(".."))
                    {
                        throw new InvalidDataException($"entry '{entry.Name}' would leave the root");
                    }

                    // Of two with one name the later is unpacked over the earlier.
                    entries[entry.Name.TrimEnd('/')] = new LayerEntry(entry.Mode, entry.Uid, entry.Gid);
                }
            }

            await plain.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
            (tarDigest, tarSize) = (plain.Digest(), plain.Count);
        }

        await compressed.CopyToAsync(Stream.Null, cancellationToken).ConfigureAwait(false);
        return (new LayerDigests(tarDigest, compressed.Digest(), compressed.Count, tarSize), entries);
    }

    private static async Task WriteFolderAsync(TarWriter tar, string folder, string name, CancellationToken cancellationToken)
    {
        await tar.WriteEntryAsync(Entry(TarEntryType.Directory, name + "/", Mode(0b111_101_101)), cancellationToken).ConfigureAwait(false);
        foreach (var path in Directory.GetFileSystemEntries(folder).Order(StringComparer.Ordinal))
        {
            var inner = $"{name}/{Path.GetFileName(path)}";
            var info = new FileInfo(path);
            if (info.LinkTarget is { } target)
            {
                var link = Entry(TarEntryType.SymbolicLink, inner, Mode(0b111_111_111));
                link.LinkName = target;
                await tar.WriteEntryAsync(link, cancellationToken).ConfigureAwait(false);
            }
            else if (Directory.Exists(path))
            {
                await WriteFolderAsync(tar, path, inner, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                // Whatever the umask of whoever built it: everybody may read, and run what the owner may run.
                var runs = (info.UnixFileMode & UnixFileMode.UserExecute) != 0;
                var file = Entry(TarEntryType.RegularFile, inner, inner == Program ? ProgramMode : Mode(runs ? 0b111_101_101 : 0b110_100_100));
                await using var content = info.OpenRead();
                file.DataStream = content;
                await tar.WriteEntryAsync(file, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    private static UstarTarEntry Entry(TarEntryType type, string name, UnixFileMode mode) =>
        new(type, name) { Mode = mode, Uid = 0, Gid = 0, UserName = "root", GroupName = "root", ModificationTime = s_time };

    private static UnixFileMode Mode(int bits) => (UnixFileMode)bits;

    /// <summary>Counts and digests what passes through; leaves the stream below open.</summary>
    private sealed class DigestStream(Stream below) : Stream
    {
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public long Count { get; private set; }

        public override bool CanRead => below.CanRead;

        public override bool CanSeek => false;

        public override bool CanWrite => below.CanWrite;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => Count;
            set => throw new NotSupportedException();
        }

        public string Digest() => "sha256:" + Convert.ToHexStringLower(_hash.GetCurrentHash());

        public override void Flush() => below.Flush();

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override int Read(Span<byte> buffer)
        {
            var count = below.Read(buffer);
            Take(buffer[..count]);
            return count;
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var count = await below.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            Take(buffer.Span[..count]);
            return count;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Take(buffer);
            below.Write(buffer);
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Take(buffer.Span);
            await below.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            _hash.Dispose();
            base.Dispose(disposing);
        }

        private void Take(ReadOnlySpan<byte> bytes)
        {
            _hash.AppendData(bytes);
            Count += bytes.Length;
        }
    }
}
