using Floe.Fuse.Protocol;

namespace Floe.Fuse.Serving;

/// <summary>Typed answers as the kernel's structs.</summary>
internal static class Replies
{
    public static EntryOut EntryOf(in FuseEntry entry) => new()
    {
        NodeId = entry.NodeId,
        Generation = entry.Generation,
        EntryValid = Seconds(entry.EntryValid),
        EntryValidNanos = Nanos(entry.EntryValid),
        AttrValid = Seconds(entry.AttributesValid),
        AttrValidNanos = Nanos(entry.AttributesValid),
        Attr = AttrOf(entry.Attributes),
    };

    public static AttrOut AttributesOf(in FuseAttributesReply reply) => new()
    {
        AttrValid = Seconds(reply.Valid),
        AttrValidNanos = Nanos(reply.Valid),
        Attr = AttrOf(reply.Attributes),
    };

    public static OpenOut OpenOf(in FuseOpened opened) => new()
    {
        Handle = opened.Handle,
        OpenFlags = (uint)opened.Flags | (opened.BackingId != 0 ? FuseConstants.FOPEN_PASSTHROUGH : 0),
        BackingId = opened.BackingId,
    };

    public static StatFsOut StatFsOf(in FuseStatFs stat) => new()
    {
        Blocks = stat.Blocks,
        FreeBlocks = stat.FreeBlocks,
        AvailableBlocks = stat.AvailableBlocks,
        Files = stat.Files,
        FreeFiles = stat.FreeFiles,
        BlockSize = stat.BlockSize,
        FragmentSize = stat.BlockSize,
        NameLength = stat.NameLength,
    };

    private static Attr AttrOf(in FuseAttributes a) => new()
    {
        Ino = a.Ino,
        Size = a.Size,
        Blocks = a.Blocks,
        ATime = (ulong)a.ATime.Seconds,
        ATimeNanos = a.ATime.Nanos,
        MTime = (ulong)a.MTime.Seconds,
        MTimeNanos = a.MTime.Nanos,
        CTime = (ulong)a.CTime.Seconds,
        CTimeNanos = a.CTime.Nanos,
        Mode = a.Mode,
        NLink = a.NLink,
        Uid = a.Uid,
        Gid = a.Gid,
        RDev = a.RDev,
        BlockSize = a.BlockSize,
    };

    private static ulong Seconds(TimeSpan time) => (ulong)(time.Ticks / TimeSpan.TicksPerSecond);

    private static uint Nanos(TimeSpan time) => (uint)(time.Ticks % TimeSpan.TicksPerSecond) * 100;
}
