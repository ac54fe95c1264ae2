using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Floe.Agent.Control;

/// <summary>Asks a running agent through its control socket.</summary>
public static class ControlClient
{
    /// <summary>The control socket of the agent that runs <paramref name="key"/>, or of the only agent when it is null.</summary>
    /// <exception cref="FloeException">There is none, or more than one.</exception>
    public static string Find(string parent, string? key)
    {
        var agents = AgentDirectory.List(parent).Where(a => key is null || a.Record.Key == key).ToList();
        return agents.Count switch
        {
            1 => agents[0].ControlSocket,
            0 when key is null => throw new FloeException(ExitCodes.Usage, $"no agent runs here (none in {parent}); start a task with 'floe run'"),
            0 => throw new FloeException(ExitCodes.Usage, $"no agent runs task '{key}' here (none in {parent})"),
            _ => throw new FloeException(ExitCodes.Usage, $"several agents run here; say which with --key: {string.Join(", ", agents.Select(a => a.Record.Key).Distinct())}"),
        };
    }

    /// <summary>Sends one request and returns the last reply; <paramref name="onProgress"/> sees the others.</summary>
    /// <exception cref="FloeException">The agent is gone, or it answered with an error.</exception>
    public static async Task<ControlReply> AskAsync(
        string socketPath, ControlRequest request, Action<CaptureProgress> onProgress, CancellationToken cancellationToken)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancellationToken).ConfigureAwait(false);
        }
        catch (SocketException e)
        {
            throw new FloeException(ExitCodes.Usage, $"the agent does not answer at {socketPath}; it has ended, or is only just starting", e);
        }

        await using var stream = new NetworkStream(socket, false);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(request, ControlJson.Default.ControlRequest) + "\n"), cancellationToken).ConfigureAwait(false);
        while (await reader.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } line)
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
}
