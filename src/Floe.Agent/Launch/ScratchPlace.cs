using System.Text;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Launch;

/// <summary>
/// Local disk of a task's own. Nextflow's users give all containers of a machine one fast disk as /tmp (<c>aws.batch.volumes</c>): what another task
/// writes there is none of ours, must not travel with us, and must not be seen changing. So where /tmp is a mount, the task gets a folder of its
/// own there as its /tmp, and the cache another.
/// </summary>
public sealed class ScratchPlace : IDisposable
{
    private const string Tmp = "/tmp";

    private readonly SafeFileHandle? _parent;
    private readonly string? _name;

    private ScratchPlace(string cache, SafeFileHandle? parent, string? name) => (Cache, _parent, _name) = (cache, parent, name);

    /// <summary>Absolute path; not made yet.</summary>
    public string Cache { get; }

    /// <param name="stateDirectory">Where the agent keeps what is its own.</param>
    /// <param name="isGuest">The machine is not the task's alone: its /tmp is left as it is.</param>
    /// <exception cref="FloeException">The disk cannot be divided.</exception>
    public static ScratchPlace Make(string stateDirectory, bool isGuest)
    {
        var name = $"floe-{Guid.NewGuid():n}";
        if (isGuest || !IsMountPoint(Tmp))
        {
            return new ScratchPlace(Path.Combine(Tmp, name), null, null);
        }

        try
        {
            var parent = Interop.openat(Interop.AT_FDCWD, Tmp, Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_CLOEXEC, 0);
            if (parent.IsInvalid)
            {
                throw LinuxException.Last($"opening {Tmp}");
            }

            const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
            const UnixFileMode All = Owner | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
                | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute | UnixFileMode.StickyBit;
            var own = Path.Combine(Tmp, name);
            Directory.CreateDirectory(own, Owner);
            var tmp = Directory.CreateDirectory(Path.Combine(own, "tmp"), Owner).FullName;
            // The umask does not count.
            File.SetUnixFileMode(tmp, All);
            var cache = Path.Combine(stateDirectory, "cache");
            Directory.CreateDirectory(cache, Owner);
            Bind(Directory.CreateDirectory(Path.Combine(own, "cache"), Owner).FullName, cache);
            Bind(tmp, Tmp);
            return new ScratchPlace(Path.Combine(cache, "mount"), parent, name);
        }
        catch (Exception e) when (e is LinuxException or IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.StoreError, $"the task cannot be given a {Tmp} of its own: {e.Message}; the container needs CAP_SYS_ADMIN (privileged)", e);
        }
    }

    /// <summary>Removes what the task left on the shared disk; it outlives the container.</summary>
    public void Dispose()
    {
        if (_parent is null)
        {
            return;
        }

        // Through the descriptor: by name, /tmp is the task's own by now.
        var own = $"/proc/self/fd/{_parent.DangerousGetHandle()}/{_name}";
        try
        {
            Directory.Delete($"{own}/tmp", true);
            // Where bytes are left that could not be uploaded, they stay.
            Directory.Delete($"{own}/cache");
            Directory.Delete(own);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The machine's own clean-up has to do.
        }

        _parent.Dispose();
    }

    private static unsafe void Bind(string source, string target)
    {
        if (Interop.mount(source, target, null, Interop.MS_BIND, null) != 0)
        {
            throw LinuxException.Last($"binding {source} to {target}");
        }
    }

    private static bool IsMountPoint(string directory) =>
        File.ReadLines("/proc/self/mountinfo", Encoding.Latin1).Any(line => line.Split(' ') is { Length: > 4 } fields && fields[4] == directory);
}
