using System.Globalization;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;

namespace Floe.Criu.Hook;

/// <summary>
/// The side of CRIU's action script. CRIU executes the floe program itself (execvp, no shell, no arguments) with
/// CRTOOLS_SCRIPT_ACTION in the environment and waits for its exit: 0 goes on, anything else aborts.
/// </summary>
public static class ActionHook
{
    /// <summary>Environment variable with the path of the agent's hook socket.</summary>
    public const string SocketVariable = "FLOE_HOOK_SOCKET";

    internal const string ActionVariable = "CRTOOLS_SCRIPT_ACTION";
    internal const string RootPidVariable = "CRTOOLS_INIT_PID";
    internal const string PostDump = "post-dump";
    internal const string PostRestore = "post-restore";
    internal const string PreResume = "pre-resume";
    internal const byte Proceed = (byte)'y';
    internal const byte Abort = (byte)'n';
    internal const int MaxMessageBytes = 64;

    private const int SoPeerCred = 17;

    /// <summary>
    /// To be called before anything else in Main. Null: this is no hook run, go on. Otherwise the exit status to end with:
    /// 0 only if the agent has said so, 1 in every other case, a dead agent's broken connection among them, so that
    /// no task is ever killed without its agent's word.
    /// </summary>
    public static int? RunIfInvoked()
    {
        var action = Environment.GetEnvironmentVariable(ActionVariable);
        var socket = Environment.GetEnvironmentVariable(SocketVariable);
        if (string.IsNullOrEmpty(action) || string.IsNullOrEmpty(socket))
        {
            return null;
        }

        if (action is not (PostDump or PostRestore or PreResume))
        {
            return 0;
        }

        try
        {
            return Ask(socket, action, Environment.GetEnvironmentVariable(RootPidVariable)) ? 0 : 1;
        }
        catch (Exception error)
        {
            // Standard error is CRIU's log here.
            Console.Error.WriteLine($"Error (floe hook): {action}: {error.Message}");
            return 1;
        }
    }

    /// <summary>Whether the other end runs, or began to listen, as this process's user.</summary>
    internal static bool IsOwnUser(Socket connection)
    {
        // struct ucred {pid, uid, gid} of unix(7).
        Span<byte> credentials = stackalloc byte[12];
        return connection.GetRawSocketOption(Interop.SOL_SOCKET, SoPeerCred, credentials) == 12
            && MemoryMarshal.Read<uint>(credentials[4..]) == Interop.geteuid();
    }

    private static bool Ask(string path, string action, string? rootPid)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        if (!IsOwnUser(socket))
        {
            throw new UnauthorizedAccessException($"{path} is another user's");
        }

        var pid = int.Parse(rootPid ?? "0", NumberStyles.None, CultureInfo.InvariantCulture);
        socket.Send(Encoding.ASCII.GetBytes($"{action} {pid}\n"));
        var verdict = new byte[1];
        return socket.Receive(verdict) == 1 && verdict[0] == Proceed;
    }
}
