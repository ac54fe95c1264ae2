using System.Runtime.InteropServices;
using Floe.Fuse.Protocol;

namespace Floe.Fuse.Serving;

/// <summary>A request between its arrival and its answer, of which there is exactly one.</summary>
internal sealed class FuseRequest(FuseChannel channel, in InHeader header) : IDisposable
{
    private readonly CancellationTokenSource _cancellation = new();
    private CancellationTokenSource? _release;

    public ulong Unique { get; } = header.Unique;

    public FuseOpcode Opcode { get; } = header.Opcode;

    public ulong NodeId { get; } = header.NodeId;

    public FuseCaller Caller { get; } = new(header.Uid, header.Gid, header.Pid);

    /// <summary>Cancelled when the caller is being killed.</summary>
    public CancellationToken Token => _cancellation.Token;

    /// <summary>Cancelled when the caller is stopped by a tracer, while <see cref="PendingRequests.ReleasesTraced"/>. To be taken before the request is pending.</summary>
    public CancellationToken Released => (_release ??= new CancellationTokenSource()).Token;

    /// <summary>Memory that the request holds on to until it is answered.</summary>
    public RequestBuffer? Buffer { get; set; }

    public void Cancel() => _cancellation.Cancel();

    public void Release() => _release?.Cancel();

    // All of these tell whether the kernel took the answer: if not, nobody will ever give back what it names.

    public bool Fail(int errno)
    {
        Span<byte> message = stackalloc byte[FuseChannel.HeaderBytes];
        return Send(message, -errno);
    }

    public bool Done() => Fail(0);

    public bool Reply<T>(in T body)
        where T : unmanaged => Reply(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in body)));

    public bool Reply(ReadOnlySpan<byte> body)
    {
        var length = FuseChannel.HeaderBytes + body.Length;
        var message = length <= 512 ? stackalloc byte[length] : new byte[length];
        body.CopyTo(message[FuseChannel.HeaderBytes..]);
        return Send(message, 0);
    }

    /// <summary>Sends the first bytes of the buffer's body, which begins behind the header.</summary>
    public bool ReplyBuffer(int bodyBytes) => Send(Buffer!.GetSpan()[..(FuseChannel.HeaderBytes + bodyBytes)], 0);

    /// <summary>Sends bytes from where they are.</summary>
    public bool ReplyLent(ReadOnlySpan<byte> body)
    {
        var header = new OutHeader { Length = (uint)(FuseChannel.HeaderBytes + body.Length), Unique = Unique };
        return channel.TrySend(MemoryMarshal.AsBytes(new ReadOnlySpan<OutHeader>(in header)), body) == 0;
    }

    public void Dispose()
    {
        Buffer?.Return();
        Buffer = null;
        _cancellation.Dispose();
        _release?.Dispose();
    }

    private bool Send(Span<byte> message, int error)
    {
        var header = new OutHeader { Length = (uint)message.Length, Error = error, Unique = Unique };
        MemoryMarshal.Write(message, in header);
        return channel.TrySend(message) == 0;
    }
}
