using System.Formats.Tar;
using System.Text;
using Floe.Agent.Files;

namespace Floe.Agent.Export;

/// <summary>
/// Writes regular files into a tar as their contents come. A tar entry begins with its length and wants a stream to read from, so
/// each file passes through one temporary file beside the archive.
/// </summary>
internal sealed class TarFiles(TarWriter tar, string spoolPath) : IFileContentConsumer, IDisposable
{
    private readonly FileStream _spool = new(spoolPath, FileMode.Create, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
    private FileRecord? _record;

    public long Count { get; private set; }

    public void Begin(FileRecord record, long index)
    {
        _record = record;
        _spool.SetLength(0);
    }

    public void Data(ReadOnlySpan<byte> data) => _spool.Write(data);

    public void Zeros(long byteCount)
    {
        _spool.SetLength(_spool.Position + byteCount);
        _spool.Seek(0, SeekOrigin.End);
    }

    public void End()
    {
        _spool.Position = 0;
        var entry = Entry(TarEntryType.RegularFile, _record!);
        entry.DataStream = _spool;
        tar.WriteEntry(entry);
        _spool.Position = 0;
        Count++;
    }

    public void Dispose() => _spool.Dispose();

    /// <summary>Null for what has content, is a hard link, or is nothing in an archive (removed paths, sockets).</summary>
    public static TarEntry? EntryWithoutContent(FileRecord record)
    {
        switch (record.Kind)
        {
            case FileRecordKind.Regular when record.ByteCount == 0:
                return Entry(TarEntryType.RegularFile, record);
            case FileRecordKind.Directory:
                return Entry(TarEntryType.Directory, record);
            case FileRecordKind.Fifo:
                return Entry(TarEntryType.Fifo, record);
            case FileRecordKind.SymbolicLink:
                var link = Entry(TarEntryType.SymbolicLink, record);
                link.LinkName = Name(record.Target);
                return link;
            case FileRecordKind.CharacterDevice or FileRecordKind.BlockDevice:
                var device = Entry(record.Kind == FileRecordKind.BlockDevice ? TarEntryType.BlockDevice : TarEntryType.CharacterDevice, record);
                device.DeviceMajor = (int)record.DeviceMajor;
                device.DeviceMinor = (int)record.DeviceMinor;
                return device;
            default:
                return null;
        }
    }

    public static TarEntry HardLink(FileRecord record) => new PaxTarEntry(TarEntryType.HardLink, Name(record.Path)) { LinkName = Name(record.Target) };

    /// <summary>A kernel path as text. Bytes that are no UTF-8 become '\xNN', so that two names never fall together silently.</summary>
    public static string Name(byte[] path)
    {
        try
        {
            return new UTF8Encoding(false, true).GetString(path);
        }
        catch (DecoderFallbackException)
        {
            return string.Concat(path.Select(b => b < 0x80 ? ((char)b).ToString() : $"\\x{b:x2}"));
        }
    }

    // The root directory has the empty path, which a tar cannot say.
    private static PaxTarEntry Entry(TarEntryType type, FileRecord record) => new(type, record.Path.Length == 0 ? "./" : Name(record.Path))
    {
        Mode = (UnixFileMode)(record.Mode & 0xfff),
        Uid = (int)record.Uid,
        Gid = (int)record.Gid,
        ModificationTime = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(record.Modified.Seconds, 0, 253402300799)).AddTicks(record.Modified.Nanoseconds / 100),
    };
}
