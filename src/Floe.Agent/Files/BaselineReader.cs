using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Reads a baseline from front to end, in path order.</summary>
internal sealed class BaselineReader : IDisposable
{
    public const byte EndMark = 0;
    public const byte EntryMark = 1;

    private readonly RecordReader _reader;
    private FileSignature _signature;
    private bool _ended;

    public BaselineReader(string path)
    {
        _reader = new RecordReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0), $"the file listing {path}", isSnapshots: false);
        if (_reader.UInt32() != FileBaseline.Magic || _reader.UInt32() != FileBaseline.Version)
        {
            _reader.Dispose();
            throw new FileStateException($"{path} is not a file listing of this version: remove it");
        }

        Instant = new Interop.Timespec { tv_sec = _reader.Signed(), tv_nsec = (long)_reader.Number(999_999_999, "a time") };
    }

    /// <summary>The coarse clock when the listing began.</summary>
    public Interop.Timespec Instant { get; }

    /// <summary>Borrowed: valid until the next move.</summary>
    public ReadOnlySpan<byte> Path => _reader.CurrentPath;

    public ref readonly FileSignature Signature => ref _signature;

    /// <summary>This machine never had the path: an earlier snapshot removed it, or put it here.</summary>
    public bool IsAbsent => _signature.Mode == 0;

    /// <summary>An earlier snapshot put the path here: if it is gone, the task removed it.</summary>
    public bool IsPutBack => IsAbsent && !_signature.IsWithoutInode;

    /// <summary>Whether the entry may have changed without its signature showing it.</summary>
    public bool IsUncertain => _signature.MayHideChangesAfter(Instant);

    public bool MoveNext()
    {
        if (_ended)
        {
            return false;
        }

        var mark = _reader.Byte();
        if (mark == EndMark)
        {
            _ended = true;
            return false;
        }

        if (mark != EntryMark)
        {
            throw _reader.Damaged("an entry has an unknown mark");
        }

        _reader.Path();
        _reader.Raw(MemoryMarshal.AsBytes(new Span<FileSignature>(ref _signature)));
        return true;
    }

    public void Dispose() => _reader.Dispose();
}
