using System.Formats.Tar;
using System.Text;
using Floe.Agent.Files;
using Floe.Store;

namespace Floe.Agent.Export;

/// <summary>
/// Writes a stored snapshot as other tools read it: CRIU's images as plain files under their own names, the task's files as a tar,
/// the paths that it removed as a list. Nothing existing is overwritten.
/// </summary>
public static class SnapshotExport
{
    /// <summary>Into <paramref name="folder"/>, which must not exist or be empty: images/, files.tar, deleted.txt.</summary>
    /// <exception cref="FloeException">The folder is in use.</exception>
    /// <exception cref="SnapshotDamagedException">Stored bytes do not verify; what was written so far is incomplete.</exception>
    public static async Task<SnapshotExportResult> RunAsync(ISnapshotSource snapshot, string folder, CancellationToken cancellationToken)
    {
        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
        {
            throw new FloeException(ExitCodes.Usage, $"{folder} is not empty; name a new folder");
        }

        var images = Path.Combine(folder, "images");
        Directory.CreateDirectory(images);
        var (count, bytes) = await WriteImagesAsync(snapshot, images, cancellationToken).ConfigureAwait(false);
        var archive = snapshot.TryGetStream(FileStreams.ListName) is null ? null : Path.Combine(folder, "files.tar");
        var files = archive is null ? 0 : await WriteFilesAsync(snapshot, archive, Path.Combine(folder, "deleted.txt"), cancellationToken).ConfigureAwait(false);
        return new SnapshotExportResult(images, count, bytes, archive, files);
    }

    private static async Task<(int Count, long Bytes)> WriteImagesAsync(ISnapshotSource snapshot, string folder, CancellationToken cancellationToken)
    {
        const string prefix = SnapshotNames.CriuPrefix;
        var count = 0;
        long bytes = 0;
        foreach (var name in snapshot.SmallImageNames.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)))
        {
            var image = snapshot.TryGetSmallImage(name)!.Value;
            await File.WriteAllBytesAsync(ImagePath(folder, name), image, cancellationToken).ConfigureAwait(false);
            count++;
            bytes += image.Length;
        }

        foreach (var stream in snapshot.Streams.Where(s => s.Name.StartsWith(prefix, StringComparison.Ordinal)))
        {
            await using var file = new FileStream(ImagePath(folder, stream.Name), FileMode.CreateNew, FileAccess.Write);
            await snapshot.ReadStreamsAsync([stream], new FileConsumer(file), cancellationToken).ConfigureAwait(false);
            count++;
            bytes += stream.ByteCount;
        }

        return (count, bytes);
    }

    /// <summary>Image names come from a store: none may lead out of the folder.</summary>
    private static string ImagePath(string folder, string name)
    {
        var file = name[SnapshotNames.CriuPrefix.Length..];
        return file.Length > 0 && !file.Contains('/') && file is not "." and not ".." && !file.Contains('\0')
            ? Path.Combine(folder, file)
            : throw new SnapshotDamagedException("index", $"'{name}' is no name of an image");
    }

    private static async Task<long> WriteFilesAsync(ISnapshotSource snapshot, string archive, string deletedList, CancellationToken cancellationToken)
    {
        using var list = await FileList.LoadAsync(snapshot, cancellationToken).ConfigureAwait(false);
        await using var output = new FileStream(archive, FileMode.CreateNew, FileAccess.Write);
        await using var tar = new TarWriter(output, TarEntryFormat.Pax, leaveOpen: true);
        await using var deleted = new StreamWriter(deletedList, false, new UTF8Encoding(false));
        long files = 0;
        foreach (var record in list.Records())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (record.Kind == FileRecordKind.Deleted)
            {
                await deleted.WriteLineAsync("/" + TarFiles.Name(record.Path)).ConfigureAwait(false);
            }
            else if (TarFiles.EntryWithoutContent(record) is { } entry)
            {
                await tar.WriteEntryAsync(entry, cancellationToken).ConfigureAwait(false);
                files++;
            }
        }

        for (var stream = 0; stream < list.ContentStreamBytes.Count; stream++)
        {
            if (list.ContentStreamBytes[stream] > 0)
            {
                using var contents = new TarFiles(tar, archive + ".part");
                await FileContents.ReadAsync(list, snapshot, stream, contents, cancellationToken).ConfigureAwait(false);
                files += contents.Count;
            }
        }

        // Names of files that are in the archive by now.
        foreach (var record in list.Records().Where(r => r.Kind == FileRecordKind.HardLink))
        {
            await tar.WriteEntryAsync(TarFiles.HardLink(record), cancellationToken).ConfigureAwait(false);
            files++;
        }

        return files;
    }

    private sealed class FileConsumer(FileStream file) : IStreamConsumer
    {
        public ValueTask BeginAsync(StoredStream stream, CancellationToken cancellationToken) => default;

        public ValueTask DataAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => file.WriteAsync(data, cancellationToken);

        public ValueTask ZerosAsync(long byteCount, CancellationToken cancellationToken)
        {
            file.Seek(byteCount, SeekOrigin.Current);
            return default;
        }

        public ValueTask EndAsync(CancellationToken cancellationToken)
        {
            file.SetLength(file.Position);
            return default;
        }
    }
}

/// <param name="FilesArchive">Null when the snapshot carries no files.</param>
public sealed record SnapshotExportResult(string ImagesFolder, int Images, long ImageBytes, string? FilesArchive, long Files);
