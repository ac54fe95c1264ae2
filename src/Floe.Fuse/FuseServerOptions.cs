using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse;

/// <summary>Bounds of a FUSE server.</summary>
public sealed record FuseServerOptions
{
    /// <summary>Bytes of one READ or WRITE at most: a power of two from 128 KiB to 1 MiB.</summary>
    public int MaxTransferBytes { get; init; } = 1 << 20;

    /// <summary>Threads that take requests; each has a descriptor of its own.</summary>
    public int Threads { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>Requests that may be under way at the same time.</summary>
    public int MaxRequests { get; init; } = 512;

    /// <summary>
    /// Memory for the bodies of requests and answers that are under way. Of waiting writes that <see cref="OpenSpill"/> does not take there may be more, up to
    /// <see cref="MaxRequests"/> × <see cref="MaxTransferBytes"/>.
    /// </summary>
    public long MaxBufferBytes { get; init; } = 40 << 20;

    /// <summary>
    /// Gives a file without a name, owned by the server from then on, for the data of more waiting writes than memory holds: at most
    /// <see cref="MaxRequests"/> × <see cref="MaxTransferBytes"/>. Null, or none given: it stays in memory.
    /// </summary>
    public Func<SafeFileHandle?>? OpenSpill { get; init; }

    /// <summary>Read-ahead and other requests that nobody waits for, at the same time (of all files).</summary>
    public int MaxBackground { get; init; } = 64;

    /// <summary>What /proc/mounts names as the source.</summary>
    public string SourceName { get; init; } = "floe";

    /// <summary>Whether files may be handed to the kernel where it can take them (passthrough).</summary>
    public bool MayPassThrough { get; init; } = true;

    /// <summary>Whether other users than the server's may go in (allow_other).</summary>
    public bool AllowOthers { get; init; } = true;
}
