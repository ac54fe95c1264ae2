using System.Text;

namespace Floe.Agent.Files;

/// <summary>The files of a snapshot that have several names, while they are put back. Few.</summary>
internal sealed class LinkedFiles
{
    private readonly Dictionary<string, LinkedFile> _files = [];

    public LinkedFiles(FileList list)
    {
        foreach (var record in list.Records())
        {
            if (record.Kind == FileRecordKind.HardLink)
            {
                _files.TryAdd(Encoding.Latin1.GetString(record.Target), new LinkedFile { Path = record.Target });
            }
        }
    }

    /// <param name="path">Of the record that brings the file; the others name it as their target.</param>
    /// <returns>Null for a file with one name.</returns>
    public LinkedFile? Find(ReadOnlySpan<byte> path) => _files.Count == 0 ? null : _files.GetValueOrDefault(Encoding.Latin1.GetString(path));
}

internal sealed class LinkedFile
{
    /// <summary>What brings the file; null until then.</summary>
    public FileRecord? Record { get; set; }

    /// <summary>Of the record, in the list.</summary>
    public long Index { get; set; }

    /// <summary>A name that leads to the snapshot's file here. Null while there is none, because others' files have those that came until now.</summary>
    public byte[]? Path { get; set; }
}
