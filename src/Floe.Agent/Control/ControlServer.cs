using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Floe.Linux;
using Microsoft.Extensions.Logging;

namespace Floe.Agent.Control;

/// <summary>Answers requests on the agent's control socket, for its owner and root only. One task a connection, at most a handful.</summary>
public sealed partial class ControlServer : IAsyncDisposable
{
    private const int MaxRequestBytes = 4096;
    private const int MaxConnections = 16;
    private static readonly TimeSpan s_lastReplies = TimeSpan.FromSeconds(2);

    // Descriptors that ran out come back with the end of what took them, a snapshot as a rule. Who asks waits in the listener's queue.
    private static readonly TimeSpan s_acceptPause = TimeSpan.FromMilliseconds(100);

    private const int SOL_SOCKET = 1;
    private const int SO_PEERCRED = 17;

    private readonly Socket _listener;
    private readonly Func<ControlRequest, Func<ControlReply, Task>, CancellationToken, Task> _handler;
    private readonly Func<Socket, CancellationToken, ValueTask<Socket>> _accept;
    private readonly uint _owner;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _slots = new(MaxConnections);
    private readonly Task _accepting;

    /// <param name="handler">Answers one request by calling its second argument any number of times; the last reply is Done or Error.</param>
    /// <param name="owner">Who may ask besides root; null: whoever this process runs as.</param>
    public ControlServer(string path, Func<ControlRequest, Func<ControlReply, Task>, CancellationToken, Task> handler, ILogger logger, uint? owner = null)
        : this(path, handler, logger, owner, static (listener, cancellationToken) => listener.AcceptAsync(cancellationToken))
    {
    }

    /// <param name="accept">Instead of the system's: a test cannot have the descriptors run out beside others.</param>
    internal ControlServer(
        string path, Func<ControlRequest, Func<ControlReply, Task>, CancellationToken, Task> handler, ILogger logger, uint? owner,
        Func<Socket, CancellationToken, ValueTask<Socket>> accept)
    {
        _accept = accept;
        _owner = owner ?? Interop.geteuid();
        _handler = handler;
        _logger = logger;
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        if (owner is { } other)
        {
            GiveTo(other, path);
        }

        _listener.Listen(MaxConnections);
        _accepting = AcceptAsync(_stop.Token);
    }

    /// <summary>Takes no more requests, lets those under way get their last reply and go, within <see cref="s_lastReplies"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();

        // Before anything is waited for: with every slot taken the loop waits for one.
        _stop.CancelAfter(s_lastReplies);
        await _accepting.ConfigureAwait(false);
        for (var i = 0; i < MaxConnections; i++)
        {
            await _slots.WaitAsync().ConfigureAwait(false);
        }

        _slots.Dispose();
        _stop.Dispose();
    }

    private async Task AcceptAsync(CancellationToken cancellationToken)
    {
        var hasFailed = false;
        while (true)
        {
            try
            {
                await _slots.WaitAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            try
            {
                var connection = await _accept(_listener, cancellationToken).ConfigureAwait(false);
                hasFailed = false;
                _ = ServeAsync(connection, cancellationToken);
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
            {
                _slots.Release();
                return;
            }
            catch (SocketException e)
            {
                _slots.Release();
                if (!hasFailed)
                {
                    LogAcceptFailed(e.Message);
                }

                hasFailed = true;
                await Task.Delay(s_acceptPause, CancellationToken.None).ConfigureAwait(false);
            }
        }
    }

    private async Task ServeAsync(Socket connection, CancellationToken cancellationToken)
    {
        try
        {
            using var owned = connection;
            await using var stream = new NetworkStream(connection, false);
            Task Reply(ControlReply reply) => stream.WriteAsync(
                Encoding.UTF8.GetBytes(JsonSerializer.Serialize(reply, ControlJson.Default.ControlReply) + "\n"), cancellationToken).AsTask();

            if (PeerUid(connection) is var uid && uid != 0 && uid != _owner)
            {
                await Reply(new ControlReply { Event = "error", Message = "only the owner of the task may control it" }).ConfigureAwait(false);
                return;
            }

            if (await ReadRequestAsync(stream, cancellationToken).ConfigureAwait(false) is not { } request)
            {
                await Reply(new ControlReply { Event = "error", Message = "not a control request; use 'floe snapshot'" }).ConfigureAwait(false);
                return;
            }

            try
            {
                await _handler(request, Reply, cancellationToken).ConfigureAwait(false);
            }
            catch (FloeException e)
            {
                await Reply(new ControlReply { Event = "error", Message = e.Message }).ConfigureAwait(false);
            }

            // Whoever asked may die with our pid namespace: let it read the answer and end first.
            connection.Shutdown(SocketShutdown.Send);
            _ = await stream.ReadAsync(new byte[1], cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            LogConnectionEnded(e.Message);
        }
        finally
        {
            _slots.Release();
        }
    }

    private static async Task<ControlRequest?> ReadRequestAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[MaxRequestBytes];
        var filled = 0;
        while (filled < buffer.Length)
        {
            var got = await stream.ReadAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
            if (got == 0)
            {
                return null;
            }

            filled += got;
            var end = Array.IndexOf(buffer, (byte)'\n', 0, filled);
            if (end >= 0)
            {
                try
                {
                    return JsonSerializer.Deserialize(buffer.AsSpan(0, end), ControlJson.Default.ControlRequest);
                }
                catch (JsonException)
                {
                    return null;
                }
            }
        }

        return null;
    }

    private static unsafe void GiveTo(uint owner, string path)
    {
        const uint SameGroup = uint.MaxValue;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            // SAFETY: zero-terminated and pinned for the call.
            if (Interop.fchownat(Interop.AT_FDCWD, name, owner, SameGroup, 0) != 0)
            {
                throw LinuxException.Last($"giving {path} to user {owner}");
            }
        }
    }

    /// <summary>struct ucred {pid, uid, gid} of unix(7).</summary>
    private static uint PeerUid(Socket connection)
    {
        var credentials = new byte[12];
        connection.GetRawSocketOption(SOL_SOCKET, SO_PEERCRED, credentials);
        return BitConverter.ToUInt32(credentials, 4);
    }

    [LoggerMessage(EventId = 4200, Level = LogLevel.Warning, Message = "The control socket takes no requests at the moment, Floe keeps trying: {Reason}")]
    private partial void LogAcceptFailed(string reason);

    [LoggerMessage(EventId = 4201, Level = LogLevel.Debug, Message = "A control connection ended early: {Reason}")]
    private partial void LogConnectionEnded(string reason);
}
