using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Fuse.Protocol;

/// <summary>What INIT settled: the kernel's offer, cut to what is used here.</summary>
internal sealed record Negotiation(uint Minor, ulong Flags, uint MaxWrite)
{
    private const ulong Wanted =
        FuseConstants.FUSE_ASYNC_READ | FuseConstants.FUSE_ATOMIC_O_TRUNC | FuseConstants.FUSE_BIG_WRITES | FuseConstants.FUSE_AUTO_INVAL_DATA |
        FuseConstants.FUSE_DO_READDIRPLUS | FuseConstants.FUSE_READDIRPLUS_AUTO | FuseConstants.FUSE_ASYNC_DIO | FuseConstants.FUSE_PARALLEL_DIROPS |
        FuseConstants.FUSE_MAX_PAGES | FuseConstants.FUSE_HANDLE_KILLPRIV_V2 | FuseConstants.FUSE_INIT_EXT | FuseConstants.FUSE_DIRECT_IO_ALLOW_MMAP | FuseConstants.FUSE_PASSTHROUGH;

    private const int PageBytes = 4096;

    public bool MayPassThrough => (Flags & FuseConstants.FUSE_PASSTHROUGH) != 0;

    /// <summary>Whether files opened for direct I/O can still be mapped shared (Linux 6.6).</summary>
    public bool MayMapDirectIo => (Flags & FuseConstants.FUSE_DIRECT_IO_ALLOW_MMAP) != 0;

    /// <exception cref="FuseException">The kernel is older than Linux 5.4 (EPROTO).</exception>
    public static (Negotiation Settled, InitOut Answer) Settle(in InitIn offer, FuseServerOptions options)
    {
        const int EPROTO = 71;
        if (offer.Major != FuseConstants.KernelMajor || offer.Minor < FuseConstants.OldestMinor)
        {
            throw new FuseException(EPROTO, $"the kernel speaks FUSE {offer.Major}.{offer.Minor}; 7.{FuseConstants.OldestMinor} (Linux 5.4) or later is needed");
        }

        var offered = (ulong)offer.Flags | ((offer.Flags & FuseConstants.FUSE_INIT_EXT) != 0 ? (ulong)offer.Flags2 << 32 : 0);
        var flags = offered & (options.MayPassThrough ? Wanted : Wanted & ~FuseConstants.FUSE_PASSTHROUGH);
        var maxWrite = (flags & FuseConstants.FUSE_MAX_PAGES) != 0 ? (uint)options.MaxTransferBytes : 32 * PageBytes;
        var settled = new Negotiation(Math.Min(offer.Minor, FuseConstants.NewestMinor), flags, maxWrite);
        var answer = new InitOut
        {
            Major = FuseConstants.KernelMajor,
            Minor = settled.Minor,
            MaxReadahead = (uint)options.MaxTransferBytes,
            Flags = (uint)flags,
            Flags2 = (uint)(flags >> 32),
            MaxBackground = (ushort)options.MaxBackground,
            CongestionThreshold = (ushort)(options.MaxBackground * 3 / 4),
            MaxWrite = maxWrite,
            TimeGranularity = 1,
            MaxPages = (ushort)(maxWrite / PageBytes),
            // Backing files lie on ordinary file systems: on an overlay the kernel would map another file than the one it was given.
            MaxStackDepth = settled.MayPassThrough ? 1u : 0,
        };
        return (settled, answer);
    }
}
