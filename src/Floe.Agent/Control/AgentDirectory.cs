using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Floe.Linux;

namespace Floe.Agent.Control;

/// <summary>
/// The private folder of one running agent: control socket, listing of the files at the start, CRIU's sockets and logs.
/// Short names throughout, because a socket's path may have 107 bytes.
/// </summary>
public sealed class AgentDirectory
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    /// <summary>What agents' folders are called; a # stands for a hexadecimal digit.</summary>
    internal const string Names = "################";

    private const string RootParent = "/run/floe";

    private AgentDirectory(string path) => Root = path;

    public string Root { get; }

    public string ControlSocket => Path.Combine(Root, "control.sock");

    public string Baseline => Path.Combine(Root, "baseline");

    /// <summary>An empty folder for one run of CRIU; that of the run before, with its log, is gone then.</summary>
    public string FreshImages()
    {
        var images = Path.Combine(Root, "images");
        if (Directory.Exists(images))
        {
            Directory.Delete(images, true);
        }

        Directory.CreateDirectory(images, Owner);
        return images;
    }

    private string Record => Path.Combine(Root, "agent.json");

    /// <summary>Where agents of this user keep their folders: FLOE_STATE_DIR, else /run/floe, else the user's runtime folder.</summary>
    public static string DefaultParent()
    {
        if (Environment.GetEnvironmentVariable("FLOE_STATE_DIR") is { Length: > 0 } named)
        {
            return Path.GetFullPath(named);
        }

        if (Interop.geteuid() == 0)
        {
            return RootParent;
        }

        return Path.Combine(Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? runtime : OwnInTemporary, "floe");
    }

    /// <summary>A name that anybody may take first.</summary>
    private static string OwnInTemporary => Path.Combine(Path.GetTempPath(), $"floe-{Interop.geteuid()}");

    /// <summary>Where agents may be that this user may ask: <see cref="DefaultParent"/>, and root's, which may run a task for this user.</summary>
    public static IReadOnlyList<string> Parents() => DefaultParent() is var own && (own == RootParent || Interop.geteuid() == 0) ? [own] : [own, RootParent];

    /// <summary>Makes the folder of an agent, mode 0700, under a name of its own: another agent of the same task may still run, and need its own.</summary>
    /// <param name="isForOtherUser">The task is another user's, who may reach the control socket: mode 0711.</param>
    /// <exception cref="FloeException">It may not be made.</exception>
    public static AgentDirectory Create(string parent, AgentRecord record, bool isForOtherUser = false)
    {
        try
        {
            return CreateIn(parent, record, isForOtherUser);
        }
        catch (Exception e) when (e is UnauthorizedAccessException or IOException)
        {
            throw new FloeException(ExitCodes.Usage, $"the agent's folder cannot be made: {e.Message.TrimEnd('.')}; name another in FLOE_STATE_DIR", e);
        }
    }

    private static AgentDirectory CreateIn(string parent, AgentRecord record, bool isForOtherUser)
    {
        if (Path.GetDirectoryName(parent) is { } above && above == OwnInTemporary)
        {
            Directory.CreateDirectory(above, Owner);
            RequireOwn(above, Interop.geteuid());
        }

        Directory.CreateDirectory(parent, Owner | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        var directory = new AgentDirectory(Path.Combine(parent, RandomNumberGenerator.GetHexString(Names.Length, lowercase: true)));
        Directory.CreateDirectory(directory.Root, Owner | (isForOtherUser ? UnixFileMode.GroupExecute | UnixFileMode.OtherExecute : UnixFileMode.None));
        File.WriteAllText(directory.Record, JsonSerializer.Serialize(record, ControlJson.Default.AgentRecord));
        return directory;
    }

    /// <summary>In a folder of somebody else's an agent's sockets could be replaced, and with them the word on which CRIU ends the task.</summary>
    /// <exception cref="IOException">It is no folder, a link perhaps, or another user's, or others may write to it.</exception>
    internal static unsafe void RequireOwn(string folder, uint user)
    {
        const uint FileType = 0xF000; // S_IFMT
        const uint Folder = 0x4000; // S_IFDIR
        const uint WritableByOthers = 0x12; // 022
        Interop.StatxBuffer stat;
        fixed (byte* name = Encoding.UTF8.GetBytes(folder + '\0'))
        {
            // SAFETY: zero-terminated and pinned for the call, which fills the buffer only.
            if (Interop.statx(Interop.AT_FDCWD, name, Interop.AT_SYMLINK_NOFOLLOW, Interop.STATX_BASIC_STATS, &stat) != 0)
            {
                throw new IOException($"{folder}: {LinuxException.Last("statx").Message}");
            }
        }

        if ((stat.stx_mode & FileType) != Folder || stat.stx_uid != user || (stat.stx_mode & WritableByOthers) != 0)
        {
            throw new IOException($"{folder} is not a folder that belongs to user {user} and that nobody else may write to");
        }
    }

    private static bool IsOwn(string folder)
    {
        try
        {
            RequireOwn(folder, Interop.geteuid());
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>All agents whose folders lie under <paramref name="parent"/>, dead ones included.</summary>
    public static IReadOnlyList<(AgentRecord Record, string ControlSocket)> List(string parent) => List(parent, OwnInTemporary);

    /// <param name="ownInTemporary">Somebody else who took that name first would be asked, and answer.</param>
    internal static IReadOnlyList<(AgentRecord Record, string ControlSocket)> List(string parent, string ownInTemporary)
    {
        var found = new List<(AgentRecord, string)>();
        if (!Directory.Exists(parent) || (Path.GetDirectoryName(parent) == ownInTemporary && !IsOwn(ownInTemporary)))
        {
            return found;
        }

        foreach (var path in Directory.EnumerateDirectories(parent))
        {
            var directory = new AgentDirectory(path);
            try
            {
                if (JsonSerializer.Deserialize(File.ReadAllBytes(directory.Record), ControlJson.Default.AgentRecord) is { } record)
                {
                    found.Add((record, directory.ControlSocket));
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
            {
                // Being made or removed at this moment, or another user's.
            }
        }

        return found;
    }

    /// <summary>
    /// Removes what agents of the same task left here that were killed. For the holder of the task's lease: another that lives has lost
    /// it, or waits for it and has no socket yet.
    /// </summary>
    public void RemoveLeftBehind(AgentRecord own)
    {
        foreach (var (record, socket) in List(Path.GetDirectoryName(Root)!))
        {
            if ((record.Store, record.Key) == (own.Store, own.Key) && socket != ControlSocket && ControlClient.Presence(socket) == AgentPresence.Dead)
            {
                new AgentDirectory(Path.GetDirectoryName(socket)!).Delete();
            }
        }
    }

    /// <summary>As far as the disk lets it. How the run ended is settled by then, and what is left only takes room.</summary>
    public void Delete()
    {
        try
        {
            Directory.Delete(Root, true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Gone already; a network file system's .nfs files; a disk that has turned read-only.
        }
    }
}
