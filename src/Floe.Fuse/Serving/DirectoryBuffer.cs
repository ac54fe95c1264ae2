using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Floe.Fuse.Protocol;

namespace Floe.Fuse.Serving;

/// <summary>A page of READDIR or READDIRPLUS: entries of 8-byte alignment in the memory of the answer.</summary>
internal sealed class DirectoryBuffer(Memory<byte> room, bool takesEntries) : IFuseDirectoryBuffer
{
    private const int TypeShift = 12;

    public bool TakesEntries { get; } = takesEntries;

    public int Length { get; private set; }

    /// <summary>Nodes whose lookups the page counts, if it arrives.</summary>
    public List<ulong> LookedUp { get; } = [];

    public bool TryAdd(ReadOnlySpan<byte> name, ulong ino, uint mode, ulong nextOffset) =>
        TryAdd(name, new EntryOut(), ino, mode, nextOffset);

    public bool TryAdd(ReadOnlySpan<byte> name, in FuseEntry entry, ulong nextOffset)
    {
        if (!TryAdd(name, Replies.EntryOf(entry), entry.Attributes.Ino, entry.Attributes.Mode, nextOffset))
        {
            return false;
        }

        if (TakesEntries)
        {
            LookedUp.Add(entry.NodeId);
        }

        return true;
    }

    private bool TryAdd(ReadOnlySpan<byte> name, EntryOut entry, ulong ino, uint mode, ulong nextOffset)
    {
        var entryBytes = TakesEntries ? Unsafe.SizeOf<EntryOut>() : 0;
        var fixedBytes = entryBytes + Unsafe.SizeOf<Dirent>();
        var length = (fixedBytes + name.Length + 7) & ~7;
        if (length > room.Length - Length)
        {
            return false;
        }

        var span = room.Span.Slice(Length, length);
        span.Clear();
        if (TakesEntries)
        {
            // A node id of 0 leaves the entry a plain one.
            MemoryMarshal.Write(span, in entry);
        }

        var dirent = new Dirent { Ino = ino, NextOffset = nextOffset, NameLength = (uint)name.Length, Type = mode >> TypeShift };
        MemoryMarshal.Write(span[entryBytes..], in dirent);
        name.CopyTo(span[fixedBytes..]);
        Length += length;
        return true;
    }
}
