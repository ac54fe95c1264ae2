using Floe.Linux;
using Floe.S3;
using Floe.Store.Blocks;
using Floe.Store.Manifests;
using Floe.Store.Packs;
using Floe.Store.Reading;
using Floe.Store.Compression;

namespace Floe.Store.Keeping;

/// <summary>Re-reads every byte that a task's snapshots name, each pack once however many snapshots share it.</summary>
internal sealed class Verification(IObjectStore objects, TaskKey task)
{
    /// <summary>Packs are read in pieces of whole frames of about this size.</summary>
    private const int PieceBytes = 8 << 20;

    private const int ParallelPacks = 4;

    private readonly List<SnapshotProblem> _problems = [];
    private readonly Dictionary<string, (PackReference Reference, BlockSeed Seed, PackDirectory? Directory, string? Problem)> _packs = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private long _bytesRead;

    public async Task<VerifyReport> RunAsync(long? seq, CancellationToken cancellationToken)
    {
        var catalog = await SnapshotCatalog.ReadAsync(objects, task, cancellationToken).ConfigureAwait(false);
        var chosen = catalog.Entries
            .Where(e => seq is null ? e.Problem is not null || catalog.Valid.Contains(e) : e.Seq == seq && e.Fence is null)
            .ToList();
        if (seq is { } wanted && chosen.Count == 0)
        {
            _problems.Add(new SnapshotProblem(wanted, StoreLayout.Manifest(task, wanted).Value, "there is no such snapshot"));
        }

        foreach (var entry in chosen)
        {
            if (entry.Manifest is { } manifest)
            {
                await VerifyAsync(manifest, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                _problems.Add(new SnapshotProblem(entry.Seq, StoreLayout.Manifest(task, entry.Seq).Value, entry.Problem!));
            }
        }

        return new VerifyReport([.. chosen.Select(e => e.Seq)], _bytesRead, _problems);
    }

    private async Task VerifyAsync(Manifest manifest, CancellationToken cancellationToken)
    {
        var options = new ParallelOptions { MaxDegreeOfParallelism = ParallelPacks, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(manifest.Packs, options, async (pack, token) =>
        {
            var (directory, problem) = await VerifyPackOnceAsync(pack, manifest.Seed, token).ConfigureAwait(false);
            if (problem is not null)
            {
                lock (_lock)
                {
                    _problems.Add(new SnapshotProblem(manifest.Seq, StoreLayout.Pack(task, PackName.TryParse(pack.Name)!.Value).Value, problem));
                }
            }
        }).ConfigureAwait(false);

        try
        {
            var reader = await SnapshotReader.OpenAsync(objects, task, manifest, new SnapshotReaderOptions(), cancellationToken).ConfigureAwait(false);
            Interlocked.Add(ref _bytesRead, manifest.Index.Size);
            if (manifest.Packs.Select(p => _packs[p.Name].Directory).OfType<PackDirectory>().ToArray() is var directories && directories.Length == manifest.Packs.Count)
            {
                CheckRuns(reader, new FrameMap(task, manifest, directories));
            }
        }
        catch (SnapshotDamagedException damage)
        {
            _problems.Add(new SnapshotProblem(manifest.Seq, damage.ObjectKey, damage.Message));
        }
    }

    /// <summary>Every run must lead to blocks that are there and fill its stream exactly.</summary>
    private static void CheckRuns(SnapshotReader reader, FrameMap frames)
    {
        foreach (var stream in reader.Index.Streams)
        {
            try
            {
                foreach (var segment in stream.Segments)
                {
                    foreach (var _ in RunDecoder.Decode(segment, frames))
                    {
                    }
                }
            }
            catch (InvalidDataException damage)
            {
                throw new SnapshotDamagedException(reader.IndexKey.Value, $"stream '{FormatVersion.Printable(stream.Name)}': {damage.Message}");
            }
        }
    }

    private async Task<(PackDirectory? Directory, string? Problem)> VerifyPackOnceAsync(PackReference pack, BlockSeed seed, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_packs.TryGetValue(pack.Name, out var known) && known.Reference == pack && known.Seed == seed)
            {
                return (known.Directory, known.Problem);
            }
        }

        PackDirectory? directory = null;
        string? problem = null;
        try
        {
            directory = await VerifyPackAsync(pack, seed, d => directory = d, cancellationToken).ConfigureAwait(false);
        }
        catch (SnapshotDamagedException damage)
        {
            problem = damage.Message;
        }

        lock (_lock)
        {
            _packs[pack.Name] = (pack, seed, directory, problem);
        }

        return (directory, problem);
    }

    private async Task<PackDirectory> VerifyPackAsync(PackReference pack, BlockSeed seed, Action<PackDirectory> directoryRead, CancellationToken cancellationToken)
    {
        var key = StoreLayout.Pack(task, PackName.TryParse(pack.Name)!.Value);
        var head = await objects.HeadAsync(key, cancellationToken).ConfigureAwait(false) ?? throw new SnapshotDamagedException(key.Value, "it is missing");
        if (head.Size != pack.Size)
        {
            throw new SnapshotDamagedException(key.Value, $"it has {head.Size} bytes, the manifest says {pack.Size}");
        }

        var directory = await DirectoryReader.ReadAsync(objects, task, pack, cancellationToken).ConfigureAwait(false);
        directoryRead(directory);
        Interlocked.Add(ref _bytesRead, pack.DirectoryLength + PackFormat.FooterBytes);
        using var zstd = new ZstdDecompressor();
        using var piece = new NativeBuffer(PieceBytes);
        var raw = new byte[BlockFormat.MaxFrameBytes];
        var decoder = new FrameDecoder(objects, key, directory, seed, zstd);
        for (var from = 0; from < directory.Frames.Length;)
        {
            var to = from + 1;
            while (to < directory.Frames.Length && directory.Frames[to].Offset + directory.Frames[to].StoredBytes - directory.Frames[from].Offset <= PieceBytes)
            {
                to++;
            }

            var start = directory.Frames[from].Offset;
            var last = directory.Frames[to - 1];
            var stored = piece.Memory[..(last.Offset + last.StoredBytes - start)];
            await StoredObjects.ReadSteadyAsync(objects, key, start, stored, cancellationToken).ConfigureAwait(false);
            Interlocked.Add(ref _bytesRead, stored.Length);
            for (; from < to; from++)
            {
                var frame = directory.Frames[from];
                await decoder.DecodeAsync(frame, stored.Slice(frame.Offset - start, frame.StoredBytes), raw.AsMemory(0, frame.RawBytes), cancellationToken).ConfigureAwait(false);
            }
        }

        return directory;
    }
}
