using Floe.Linux;
using Floe.Store.Blocks;
using Floe.Store.Coding;

namespace Floe.Store.Packs;

/// <summary>
/// A pack being filled: frames from the start of its memory, the directory collected beside. All members but
/// <see cref="Span"/> are called under the assembler's lock; the copying of frames into reserved places happens outside it.
/// </summary>
internal sealed class PackBuffer(NativeBuffer memory)
{
    private readonly ByteWriter _directory = new();
    private int _frames;

    public NativeBuffer Memory => memory;

    public PackRecord? Record { get; private set; }

    /// <summary>Stored bytes of all frames.</summary>
    public int Used { get; private set; }

    /// <summary>Reserved places still being filled.</summary>
    public int PendingCopies { get; set; }

    public bool IsClosed { get; set; }

    /// <summary>Set when the pack is closed, started when its last place is filled.</summary>
    public Task<Task>? Upload { get; set; }

    /// <summary>An upload that was given up and may still read the memory; it never fails.</summary>
    public Task? StillRead { get; set; }

    public bool IsEmpty => Used == 0;

    public int DirectoryOffset { get; private set; }

    public int DirectoryLength { get; private set; }

    /// <summary>Makes the buffer ready for a new pack.</summary>
    public void Begin(PackRecord record)
    {
        Record = record;
        Used = 0;
        PendingCopies = 0;
        IsClosed = false;
        Upload = null;
        _frames = 0;
        _directory.Clear();
    }

    /// <summary>A place for frames of <paramref name="storedBytes"/> with these directory entries; -1 when they do not fit any more.</summary>
    public int Reserve(int storedBytes, ReadOnlySpan<byte> entries, int frames)
    {
        if ((long)Used + storedBytes + _directory.Length + entries.Length + PackFormat.FooterBytes > memory.Length
            || _directory.Length + entries.Length > PackFormat.MaxDirectoryBytes)
        {
            return -1;
        }

        var offset = Used;
        Used += storedBytes;
        _frames += frames;
        _directory.Bytes(entries);
        PendingCopies++;
        return offset;
    }

    /// <summary>Puts directory and footer behind the frames; gives the whole pack, borrowed, and the directory's part of it.</summary>
    public ReadOnlyMemory<byte> Complete()
    {
        DirectoryOffset = Used;
        DirectoryLength = _directory.Length;
        PackFormat.WriteFooter(_directory, DirectoryOffset, DirectoryLength, _frames);
        _directory.Written.CopyTo(memory.Span[Used..]);
        return memory.Memory[..(Used + _directory.Length)];
    }
}
