using System.Diagnostics;
using System.Text;
using Floe.IntegrationTests.Workloads;
using Floe.Testing;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>
/// Machines whose tasks work on a mount of the S3 double: <see cref="Prefix"/> of its bucket is the working directory. Snapshots go to the same
/// double.
/// </summary>
internal sealed class MountedFleet : IAsyncDisposable
{
    public const string Prefix = "work/";
    private const string Floe = "/opt/floe/bin/floe";
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly TestStore _store;
    private readonly List<Machine> _machines = [];
    private int _runs;

    private MountedFleet(S3Double server)
    {
        Server = server;
        _store = TestStore.InS3(S3Double.Bucket, server.Endpoint, server.Keys);
    }

    public S3Double Server { get; }

    /// <summary>More for the environment of every run.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<MountedFleet> StartAsync(S3DoubleOptions? options = null) => new(await S3Double.StartAsync(options));

    public async Task<Machine> MachineAsync(string hostName)
    {
        var machine = await Machine.CreateAsync(
            new() { HostName = hostName, Binds = [new(Repository.PathOf("tests/workloads"), Workload.Folder, ReadOnly: true)] }, Token);
        _machines.Add(machine);
        return machine;
    }

    /// <summary>`floe run --mount` of a command in the working directory, which is the mount.</summary>
    public Task<MachineProcess> RunAsync(Machine machine, string[] options, params IReadOnlyList<string> command) => machine.StartAsync(
        [Floe, "run", "--store", _store.Url, "--key", "task", "--notices=none", "--mount", Workload.WorkingDirectory,
            "--mount-root", $"s3://{S3Double.Bucket}/{Prefix}", .. options, "--",
            "/bin/sh", "-c", $"cd {Workload.WorkingDirectory} && exec \"$@\"", "sh", .. command],
        Environment(), Token);

    public Task<MachineProcess> RunScriptAsync(Machine machine, string script, params string[] options) =>
        RunAsync(machine, options, "/bin/bash", "-c", script);

    public async Task<MachineResult> SnapshotAsync(Machine machine, MachineProcess run, params string[] options)
    {
        var request = await machine.StartBesideAsync(run, [Floe, "snapshot", "--key", "task", .. options], _store.Environment, Token);
        var asked = await EndAsync(request);
        Assert.True(asked.Status.Success, $"{asked.Status}: {asked.Errors}\n{run.Errors}");
        return asked;
    }

    /// <summary>Snapshots, and the task leaves the machine, which is destroyed.</summary>
    public async Task<MachineResult> TakeAwayAsync(Machine machine, MachineProcess run)
    {
        await SnapshotAsync(machine, run);
        var ended = await EndAsync(run);
        Assert.True(ended.Status.ShellCode == 75, $"{ended.Status}: {ended.Errors}");
        await machine.DestroyAsync();
        return ended;
    }

    /// <summary>Each run is a later attempt of the same job, so that it need not wait for the lease of one whose machine died.</summary>
    private Dictionary<string, string> Environment() => new([.. _store.Environment, .. Variables])
    {
        ["SLURM_JOB_ID"] = "1",
        ["SLURM_RESTART_COUNT"] = Interlocked.Increment(ref _runs).ToString(System.Globalization.CultureInfo.InvariantCulture),
    };

    public static async Task<MachineResult> EndAsync(MachineProcess process)
    {
        try
        {
            return await process.WaitAsync(Token).WaitAsync(s_patience, Token);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"still running; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
        }
    }

    public static async Task UntilAsync(MachineProcess process, Func<bool> condition, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.False(process.HasExited, $"ended before {what}; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
            Assert.True(Stopwatch.GetElapsedTime(began) < s_patience, $"no {what}; stdout: {Encoding.UTF8.GetString(process.Output)}; stderr: {process.Errors}");
            await Task.Delay(10, Token);
        }
    }

    public static Task UntilPrintedAsync(MachineProcess process, string text) =>
        UntilAsync(process, () => Encoding.UTF8.GetString(process.Output).Contains(text, StringComparison.Ordinal), $"'{text}'");

    /// <summary>Opens a gate that a script waits for: a file of the machine beside the mount.</summary>
    public static void Open(Machine machine, string path) => File.WriteAllText(machine.RootPath + path, "");

    public byte[]? Object(string name) => Server.Read(Prefix + name);

    public string Text(string name) => Encoding.UTF8.GetString(Object(name) ?? throw new FileNotFoundException($"no object {name}; there are {string.Join(", ", Server.KeysBelow(Prefix))}"));

    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines)
        {
            await machine.DisposeAsync();
        }

        await Server.DisposeAsync();
    }
}
