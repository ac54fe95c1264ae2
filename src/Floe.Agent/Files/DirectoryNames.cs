using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>The names in one directory, sorted by their bytes. Each is followed by a zero in <see cref="_bytes"/>, ready for the kernel.</summary>
internal sealed unsafe class DirectoryNames
{
    private const int ReadBytes = 64 * 1024;

    private byte[] _bytes = [];
    private int _byteCount;
    private int[] _starts = [];

    public int Count { get; private set; }

    public ReadOnlySpan<byte> this[int index]
    {
        get
        {
            var tail = _bytes.AsSpan(_starts[index]);
            return tail[..tail.IndexOf((byte)0)];
        }
    }

    /// <summary>Reads a directory to its end. <paramref name="path"/> is for messages.</summary>
    public void Read(int directory, ReadOnlySpan<byte> path)
    {
        var errno = TryRead(directory);
        if (errno != 0)
        {
            throw KernelPath.Failure("list the directory", path, errno);
        }
    }

    /// <returns>0, or the error after which nothing more was read.</returns>
    public int TryRead(int directory)
    {
        var errno = 0;
        var entries = new byte[ReadBytes];
        while (true)
        {
            nint read;
            // SAFETY: the buffer is pinned for the call and its length is passed.
            fixed (byte* buffer = entries)
            {
                read = Interop.getdents64(directory, buffer, ReadBytes);
            }

            if (read <= 0)
            {
                // ENOENT: removed since it was opened, so it is empty.
                errno = read < 0 && Marshal.GetLastPInvokeError() is var failure && failure != Errno.ENOENT ? failure : 0;
                break;
            }

            for (var offset = 0; offset < read;)
            {
                var name = entries.AsSpan(offset + Interop.DirentNameOffset);
                name = name[..name.IndexOf((byte)0)];
                if (!name.SequenceEqual("."u8) && !name.SequenceEqual(".."u8))
                {
                    Add(name);
                }

                offset += Unsafe.ReadUnaligned<ushort>(ref entries[offset + Interop.DirentRecordLengthOffset]);
            }
        }

        Sort();
        return errno;
    }

    /// <summary>By their bytes, each name once: the kernel may give one twice that others replace while the directory is read.</summary>
    public void Sort()
    {
        Array.Sort(_starts, 0, Count, Comparer<int>.Create(CompareAt));
        var kept = 0;
        for (var i = 0; i < Count; i++)
        {
            if (kept == 0 || !this[i].SequenceEqual(this[kept - 1]))
            {
                _starts[kept++] = _starts[i];
            }
        }

        Count = kept;
    }

    public void Add(ReadOnlySpan<byte> name)
    {
        if (_byteCount + name.Length + 1 > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(Math.Max(512, _bytes.Length * 2), _byteCount + name.Length + 1));
        }

        if (Count == _starts.Length)
        {
            Array.Resize(ref _starts, Math.Max(32, Count * 2));
        }

        _starts[Count++] = _byteCount;
        name.CopyTo(_bytes.AsSpan(_byteCount));
        _bytes[_byteCount + name.Length] = 0;
        _byteCount += name.Length + 1;
    }

    /// <summary>Names end in zero, which sorts first, so the comparison is decided at the end of the shorter one at the latest.</summary>
    private int CompareAt(int a, int b) => _bytes.AsSpan(a, _byteCount - a).SequenceCompareTo(_bytes.AsSpan(b, _byteCount - b));

    /// <summary>The name with its zero.</summary>
    public ReadOnlySpan<byte> Terminated(int index) => _bytes.AsSpan(_starts[index], this[index].Length + 1);
}
