using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Floe.Criu.Hook;

/// <summary>The agent's side: takes the hook's connections on a socket in a private folder.</summary>
internal sealed class HookServer : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public HookServer(string workDirectory)
    {
        Path = System.IO.Path.Combine(workDirectory, "hook.sock");
        File.Delete(Path);
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen(8);
    }

    public string Path { get; }

    /// <summary>The next call of the hook. Connections of other users and garbage are dropped.</summary>
    public async Task<HookCall> NextAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var connection = await _listener.AcceptAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (ActionHook.IsOwnUser(connection) && await ReadAsync(connection, cancellationToken).ConfigureAwait(false) is { } call)
                {
                    return call;
                }
            }
            catch (SocketException)
            {
                // The hook died while it spoke: CRIU sees its exit status.
            }

            connection.Dispose();
        }
    }

    // Closing a bound socket removes its path.
    public void Dispose() => _listener.Dispose();

    private static async Task<HookCall?> ReadAsync(Socket connection, CancellationToken cancellationToken)
    {
        var message = new byte[ActionHook.MaxMessageBytes];
        var length = 0;
        while (length < message.Length)
        {
            var count = await connection.ReceiveAsync(message.AsMemory(length), cancellationToken).ConfigureAwait(false);
            if (count == 0)
            {
                return null;
            }

            length += count;
            if (message[length - 1] == '\n')
            {
                var parts = Encoding.ASCII.GetString(message, 0, length - 1).Split(' ');
                return parts.Length == 2 && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var pid)
                    ? new HookCall(connection, parts[0], pid)
                    : null;
            }
        }

        return null;
    }
}

/// <summary>One action script that waits for a verdict. Disposed without one, it fails.</summary>
internal sealed class HookCall(Socket connection, string action, int rootPid) : IDisposable
{
    public string Action { get; } = action;

    /// <summary>CRTOOLS_INIT_PID: root of the tree.</summary>
    public int RootPid { get; } = rootPid;

    /// <summary>False when the hook is gone and the verdict came too late.</summary>
    public bool Answer(bool proceed)
    {
        try
        {
            return connection.Send([proceed ? ActionHook.Proceed : ActionHook.Abort]) == 1;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public void Dispose() => connection.Dispose();
}
