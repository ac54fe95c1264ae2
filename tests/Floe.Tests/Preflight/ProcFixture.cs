using System.Globalization;

namespace Floe.Tests.Preflight;

/// <summary>A made-up /proc in a temporary folder.</summary>
internal sealed class ProcFixture : IDisposable
{
    public ProcFixture() => AddProcess(1, parent: 0, name: "self");

    public string Root { get; } = Directory.CreateTempSubdirectory("floe-proc-").FullName;

    public void AddProcess(
        int pid, int parent, string name = "task", int session = 10, int terminal = 0, int tracer = 0, int uid = 0, char state = 'S',
        string capabilities = "000001ffffffffff")
    {
        var directory = pid == 1 ? Path.Combine(Root, "self") : Of(pid);
        foreach (var part in (string[])["fd", "fdinfo", "ns", "net"])
        {
            Directory.CreateDirectory(Path.Combine(directory, part));
        }

        File.WriteAllText(Path.Combine(directory, "stat"), string.Create(CultureInfo.InvariantCulture, $"{pid} ({name}) {state} {parent} {pid} {session} {terminal} -1 0"));
        File.WriteAllText(
            Path.Combine(directory, "status"),
            string.Create(
                CultureInfo.InvariantCulture,
                $"Name:\t{name}\nState:\t{state} (x)\nTracerPid:\t{tracer}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nCapEff:\t{capabilities}\nCapBnd:\t{capabilities}\nSeccomp:\t0\n"));
        foreach (var kind in (string[])["mnt", "pid", "ipc", "uts", "user", "time"])
        {
            SetNamespace(directory, kind, 1);
        }
    }

    public void SetSelf(int uid, string capabilities) => AddProcess(1, 0, "self", uid: uid, capabilities: capabilities);

    public void SetNamespace(int pid, string kind, int identity) => SetNamespace(Of(pid), kind, identity);

    /// <param name="flags">As in fdinfo, octal: 0100000 read, 0100001 write, 0100002 both.</param>
    public void AddDescriptor(int pid, int fd, string link, string flags = "0100002")
    {
        var number = fd.ToString(CultureInfo.InvariantCulture);
        File.CreateSymbolicLink(Path.Combine(Of(pid), "fd", number), link);
        File.WriteAllText(Path.Combine(Of(pid), "fdinfo", number), $"pos:\t0\nflags:\t{flags}\nmnt_id:\t1\n");
    }

    public void SetMounts(int pid, params int[] ids) =>
        File.WriteAllLines(Path.Combine(Of(pid), "mountinfo"), ids.Select(id => string.Create(CultureInfo.InvariantCulture, $"{id} 1 0:2 / / rw - ext4 /dev/x rw")));

    public void AddMapping(int pid, string line) => File.AppendAllText(Path.Combine(Of(pid), "maps"), line + "\n");

    public void SetTcp(int pid, params string[] lines) =>
        File.WriteAllLines(Path.Combine(Of(pid), "net", "tcp"), ["  sl  local_address rem_address   st", .. lines]);

    public void Dispose() => Directory.Delete(Root, recursive: true);

    private static void SetNamespace(string directory, string kind, int identity)
    {
        var path = Path.Combine(directory, "ns", kind);
        File.Delete(path);
        File.CreateSymbolicLink(path, string.Create(CultureInfo.InvariantCulture, $"{kind}:[{identity}]"));
    }

    private string Of(int pid) => Path.Combine(Root, pid.ToString(CultureInfo.InvariantCulture));
}
