using System.Globalization;
using Floe.Testing.Machines;

namespace Floe.Bench;

/// <summary>A machine of its own in which `floe mount` serves a prefix of the double's bucket at /data; its cache is in the machine's memory.</summary>
internal sealed class MountedFolder : IAsyncDisposable
{
    private const string Files = $"{Workbench.ProgramsAt}/files";

    private readonly DoubleProcess _s3;
    private readonly Machine _machine;

    private MountedFolder(DoubleProcess s3, Machine machine, MachineProcess mount) => (_s3, _machine, Mount) = (s3, machine, mount);

    /// <summary>The process that serves it.</summary>
    public MachineProcess Mount { get; }

    public static async Task<MountedFolder> StartAsync(
        Workbench bench, DoubleProcess s3, string prefix, CancellationToken cancellationToken, string options = "", bool passesThrough = true)
    {
        var machine = await FloeTask.CreateMachineAsync(bench, cancellationToken);
        try
        {
            var mount = await machine.StartAsync(
                ["/bin/sh", "-c", $"mkdir -p /data /cache && exec /opt/floe/bin/floe mount --store-root {DoubleProcess.Url(prefix)} --cache-folder /cache {options} /data"],
                new Dictionary<string, string>(s3.ClientEnvironment) { ["FLOE_MOUNT_PASSTHROUGH"] = passesThrough ? "1" : "0" }, cancellationToken);
            var folder = new MountedFolder(s3, machine, mount);
            await folder.ShellAsync("for i in $(seq 500); do mountpoint -q /data && exit 0; sleep 0.02; done; exit 1", cancellationToken);
            return folder;
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    /// <summary>Milliseconds that the program files.c took for what it is told to do.</summary>
    public async Task<double> MillisAsync(string what, CancellationToken cancellationToken) =>
        double.Parse(await ShellAsync($"{Files} {what}", cancellationToken), CultureInfo.InvariantCulture) / 1e6;

    public Task<string> ShellAsync(string script, CancellationToken cancellationToken) =>
        FloeTask.ShellAsync(_machine, Mount, script, _s3.ClientEnvironment, cancellationToken);

    /// <summary>The most memory that the process has had, in bytes.</summary>
    public long PeakBytes() => long.Parse(
        File.ReadLines($"/proc/{Mount.HostPid}/status").First(l => l.StartsWith("VmHWM:", StringComparison.Ordinal))["VmHWM:".Length..].Trim().TrimEnd("kB").Trim(),
        CultureInfo.InvariantCulture) << 10;

    public ValueTask DisposeAsync() => _machine.DisposeAsync();
}
