using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>Writes the files of one content stream into the staging area, holes left open, each complete with its metadata.</summary>
internal sealed unsafe class StagedContent(StagingArea staging) : IFileContentConsumer, IDisposable
{
    private int _descriptor = -1;
    private int _directory;
    private byte[] _name = [];
    private FileRecord? _record;
    private long _position;

    public void Begin(FileRecord record, long index)
    {
        _record = record;
        _directory = staging.DirectoryFor(record.Path);
        _name = StagingArea.NameOf(index);
        _position = 0;
        _descriptor = NativeName.Open(_directory, _name, Interop.O_CREAT | Interop.O_EXCL | Interop.O_WRONLY, 0x180);
        NativeName.Check(Math.Min(_descriptor, 0) * -1, "make the file", record.Path);
    }

    public void Data(ReadOnlySpan<byte> data)
    {
        while (!data.IsEmpty)
        {
            nint written;
            // SAFETY: the data is pinned for the call and its length is passed.
            fixed (byte* pointer = data)
            {
                written = Interop.pwrite(_descriptor, pointer, (nuint)data.Length, _position);
            }

            if (written < 0)
            {
                var errno = Marshal.GetLastPInvokeError();
                if (errno == Errno.EINTR)
                {
                    continue;
                }

                throw KernelPath.Failure("write", _record!.Path, errno);
            }

            _position += written;
            data = data[(int)written..];
        }
    }

    public void Zeros(long byteCount) => _position += byteCount;

    public void End()
    {
        // A hole at the end.
        if (Interop.ftruncate(_descriptor, _position) != 0)
        {
            throw KernelPath.Failure("set the length of", _record!.Path, Marshal.GetLastPInvokeError());
        }

        Dispose();
        InodeMetadata.Apply(_directory, _name, _record!);
    }

    public void Dispose()
    {
        if (_descriptor >= 0)
        {
            _ = Interop.close(_descriptor);
            _descriptor = -1;
        }
    }
}
