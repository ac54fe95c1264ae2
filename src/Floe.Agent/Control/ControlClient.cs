using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Floe.Agent.Control;

/// <summary>
/// A connection to a running agent's control socket. An agent that ends after its answer takes its pid namespace with it, and so a
/// program that asked from inside of the container; therefore it waits, for a moment, until the connection is closed. Whoever must
/// live to tell the answer closes it by ending.
/// </summary>
public sealed class ControlClient : IDisposable
{
    private readonly Socket _socket;

    private ControlClient(Socket socket) => _socket = socket;

    /// <summary>The control socket of the agent that runs <paramref name="key"/>, or of the only agent when it is null.</summary>
    /// <exception cref="FloeException">There is none, or more than one.</exception>
    public static string Find(IReadOnlyList<string> parents, string? key)
    {
        var agents = parents.SelectMany(AgentDirectory.List).Where(a => key is null || a.Record.Key == key).ToList();
        if (agents.Count > 1)
        {
            // Folders of agents that were killed, or that wait for a lease which another one here holds.
            agents.RemoveAll(a => Presence(a.ControlSocket) != AgentPresence.Listens);
        }

        return agents.Count switch
        {
            1 => agents[0].ControlSocket,
            0 when key is null => throw new FloeException(ExitCodes.Usage, $"no agent runs here (none in {string.Join(", ", parents)}); start a task with 'floe run'"),
            0 => throw new FloeException(ExitCodes.Usage, $"no agent runs task '{key}' here (none in {string.Join(", ", parents)})"),
            _ => throw new FloeException(ExitCodes.Usage, $"several agents run here; say which with --key: {string.Join(", ", agents.Select(a => a.Record.Key).Distinct())}"),
        };
    }

    /// <summary>Whether the agent whose control socket this is lives.</summary>
    internal static AgentPresence Presence(string socketPath)
    {
        // Not blocking: the queue of an agent that is stopped may be full.
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(socketPath));
            return AgentPresence.Listens;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode switch
            {
                SocketError.ConnectionRefused => AgentPresence.Dead,
                SocketError.AddressNotAvailable => AgentPresence.NoSocket,
                _ => AgentPresence.Listens,
            };
        }
    }

    /// <exception cref="FloeException">No agent listens at <paramref name="socketPath"/>.</exception>
    public static async Task<ControlClient> ConnectAsync(string socketPath, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
            return new ControlClient(socket);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new FloeException(ExitCodes.Usage, $"the agent does not answer at {socketPath}; it has ended, or is only just starting", e);
        }
    }

    /// <summary>Sends one request and returns the last reply; <paramref name="onProgress"/> sees the others. Once a connection.</summary>
    /// <exception cref="FloeException">The agent is gone, or it answered with an error.</exception>
    public async Task<ControlReply> AskAsync(ControlRequest request, Action<CaptureProgress> onProgress, CancellationToken cancellationToken)
    {
        await using var stream = new NetworkStream(_socket, false);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        try
        {
            await stream.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(request, ControlJson.Default.ControlRequest) + "\n"), cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // Whom it refuses the agent hears no further: why is there to be read.
        }

        while (await NextLineAsync(reader, cancellationToken).ConfigureAwait(false) is { } line)
        {
            var reply = JsonSerializer.Deserialize(line, ControlJson.Default.ControlReply);
            switch (reply)
            {
                case { Event: "progress", Progress: { } progress }:
                    onProgress(progress);
                    break;
                case { Event: "done" }:
                    return reply;
                case { Event: "error" }:
                    throw new FloeException(ExitCodes.SnapshotFailed, reply.Message ?? "the agent refused");
            }
        }

        throw new FloeException(ExitCodes.SnapshotFailed, "the agent ended before it answered; its log says why");
    }

    public void Dispose() => _socket.Dispose();

    /// <summary>Null at the end, be it an agent that was killed.</summary>
    private static async Task<string?> NextLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (IOException)
        {
            return null;
        }
    }
}

/// <summary>What a folder's control socket tells of its agent.</summary>
internal enum AgentPresence
{
    /// <summary>Somebody listens, or nothing says that nobody does.</summary>
    Listens,

    /// <summary>The agent waits for the task's lease, or for its machine's end.</summary>
    NoSocket,

    /// <summary>A socket that nobody listens at: the agent was killed.</summary>
    Dead,
}
