using System.Globalization;
using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace Floe.Testing.Machines;

/// <summary>
/// A throw-away machine made of namespaces by eng/machine: own root overlay, /tmp, /dev/shm, pids, IPC and host name. It lives in
/// memory only, and it dies with this object or with the test program, whichever goes first. Root only.
/// </summary>
public sealed class Machine : IAsyncDisposable
{
    private static readonly string s_script = Repository.PathOf("eng/machine");

    private readonly ChildProcess _holder;
    private readonly SafeFileHandle _life;
    private readonly ScratchFolder _scratch;
    private readonly int _holderPid;
    private readonly string _mountPoint;
    private readonly List<MachineProcess> _processes = [];
    private MachineProcess? _init;
    private int _started;
    private bool _destroyed;

    private Machine(MachineOptions options, ChildProcess holder, SafeFileHandle life, ScratchFolder scratch, int holderPid, string mountPoint)
    {
        Options = options;
        _holder = holder;
        _life = life;
        _scratch = scratch;
        _holderPid = holderPid;
        _mountPoint = mountPoint;
    }

    public MachineOptions Options { get; }

    /// <summary>The machine's root as this process can open it while the machine lives.</summary>
    public string RootPath => $"/proc/{_holderPid}/root{_mountPoint}/root";

    /// <exception cref="InvalidOperationException">The machine cannot be made; the message carries the reason.</exception>
    public static async Task<Machine> CreateAsync(MachineOptions options, CancellationToken cancellationToken = default)
    {
        List<string> arguments = [s_script, "hold", "--hostname", options.HostName];
        if (options.RootFileSystem is { } root)
        {
            arguments.AddRange(["--rootfs", root]);
        }

        if (options.OwnNetwork)
        {
            arguments.Add("--net");
        }

        List<MachineBind> binds = [.. options.Binds];
        if (options.BundleAt is { } bundle)
        {
            binds.Add(new MachineBind(Repository.RequireBundle(), bundle, ReadOnly: true));
        }

        if (options.Store is { } store)
        {
            binds.Add(new MachineBind(store, "/store"));
        }

        foreach (var bind in binds)
        {
            arguments.AddRange(["--bind", $"{bind.Source}:{bind.Target}{(bind.ReadOnly ? ":ro" : "")}"]);
        }

        var scratch = new ScratchFolder();
        var (lifeEnd, life) = Pipe.Create();
        var (report, reportEnd) = Pipe.Create();
        using (lifeEnd)
        using (report)
        {
            ChildProcess holder;
            using (reportEnd)
            using (var errors = File.OpenHandle(scratch["holder.err"], FileMode.Create, FileAccess.Write))
            {
                holder = ChildProcess.Start(ForScript(arguments, DefaultEnvironment, [(lifeEnd, 0), (reportEnd, 1), (errors, 2)]));
            }

            var line = await Pipe.ReadLineAsync(report, cancellationToken);
            if (line.Split(' ') is [var pid, var mountPoint])
            {
                var machine = new Machine(options, holder, life, scratch, int.Parse(pid, CultureInfo.InvariantCulture), mountPoint);
                if (options.Kind == MachineKind.Host)
                {
                    machine._init = await machine.LaunchAsync("boot", [], DefaultEnvironment, cancellationToken);
                }

                return machine;
            }

            await holder.Exited.WaitAsync(cancellationToken);
            var reason = await File.ReadAllTextAsync(scratch["holder.err"], cancellationToken);
            life.Dispose();
            scratch.Dispose();
            throw new InvalidOperationException($"the test machine cannot be made: {reason.Trim()}");
        }
    }

    /// <summary>The environment of a command that is given none: what a login shell of root would have.</summary>
    public static IReadOnlyDictionary<string, string> DefaultEnvironment { get; } = new Dictionary<string, string>
    {
        ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ["HOME"] = "/root",
        ["LANG"] = "C.UTF-8",
    };

    /// <summary>Starts a command: as a container's pid 1, or beside the init of a host. stdin is /dev/null, output is kept.</summary>
    /// <param name="environment">Added to <see cref="DefaultEnvironment"/>.</param>
    public Task<MachineProcess> StartAsync(
        IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment = null, CancellationToken cancellationToken = default) =>
        _init is null
            ? LaunchAsync("container", command, environment, cancellationToken)
            : StartBesideAsync(_init, command, environment, cancellationToken);

    /// <summary>Starts a command in the namespaces of another one, as `docker exec` does.</summary>
    public Task<MachineProcess> StartBesideAsync(
        MachineProcess process, IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment = null, CancellationToken cancellationToken = default) =>
        LaunchAsync("exec", command, environment, cancellationToken, process.HostPid);

    /// <summary>Starts a command, waits for its end and returns how it went.</summary>
    public async Task<MachineResult> RunAsync(
        IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment = null, CancellationToken cancellationToken = default)
    {
        var process = await StartAsync(command, environment, cancellationToken);
        return await process.WaitAsync(cancellationToken);
    }

    /// <summary>As a reclaim: every process dies at once by SIGKILL, and all that the machine wrote is gone.</summary>
    public async Task DestroyAsync()
    {
        if (_destroyed)
        {
            return;
        }

        _destroyed = true;
        _life.Dispose();
        await _holder.Exited;
        foreach (var process in _processes)
        {
            await process.Ended;
        }

        _scratch.Dispose();
    }

    public async ValueTask DisposeAsync() => await DestroyAsync();

    private async Task<MachineProcess> LaunchAsync(
        string verb, IReadOnlyList<string> command, IReadOnlyDictionary<string, string>? environment, CancellationToken cancellationToken, int? init = null)
    {
        ObjectDisposedException.ThrowIf(_destroyed, this);
        List<string> arguments = [s_script, verb, (init ?? _holderPid).ToString(CultureInfo.InvariantCulture), "--", .. command];
        var all = new Dictionary<string, string>(DefaultEnvironment);
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            all[name] = value;
        }

        var number = Interlocked.Increment(ref _started);
        string output = _scratch[$"{number}.out"], errors = _scratch[$"{number}.err"];
        var (report, reportEnd) = Pipe.Create();
        using (report)
        {
            ChildProcess child;
            using (reportEnd)
            using (var devNull = File.OpenHandle("/dev/null"))
            using (var outFile = File.OpenHandle(output, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite))
            using (var errFile = File.OpenHandle(errors, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite))
            {
                child = ChildProcess.Start(ForScript(arguments, all, [(devNull, 0), (outFile, 1), (errFile, 2), (reportEnd, 3)]));
            }

            var line = await Pipe.ReadLineAsync(report, cancellationToken);
            if (!int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid))
            {
                await child.Exited.WaitAsync(cancellationToken);
                throw new InvalidOperationException($"the command cannot be started in the machine: {(await File.ReadAllTextAsync(errors, cancellationToken)).Trim()}");
            }

            var process = new MachineProcess(child, pid, output, errors);
            _processes.Add(process);
            return process;
        }
    }

    private static ChildProcessOptions ForScript(
        List<string> arguments, IReadOnlyDictionary<string, string> environment, IReadOnlyList<(System.Runtime.InteropServices.SafeHandle, int)> descriptors) =>
        new()
        {
            Path = "/bin/bash"u8.ToArray(),
            Arguments = [.. arguments.Prepend("bash").Select(Encoding.UTF8.GetBytes)],
            Environment = [.. environment.Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}"))],
            NewSession = true,
            Descriptors = descriptors,
        };
}
