using System.Text.Json;
using Floe.Agent.Control;
using Floe.Linux.Processes;
using Floe.Testing.Machines;

namespace Floe.Bench;

/// <summary>A task under `floe run` in a machine of its own that is like a container: the agent is pid 1.</summary>
internal sealed class FloeTask : IAsyncDisposable
{
    private const string Floe = "/opt/floe/bin/floe";
    private const string Key = "bench";
    private const string WorkingDirectory = "/home/bench";

    private readonly IReadOnlyDictionary<string, string> _environment;

    private FloeTask(Machine machine, MachineProcess run, IReadOnlyDictionary<string, string> environment)
    {
        Machine = machine;
        Run = run;
        _environment = environment;
    }

    public Machine Machine { get; }

    /// <summary>The agent.</summary>
    public MachineProcess Run { get; }

    /// <param name="prefix">Prefix of the store in the double's bucket; an unused one starts the command afresh.</param>
    public static async Task<FloeTask> StartAsync(Workbench bench, DoubleProcess s3, string prefix, IReadOnlyList<string> command, CancellationToken cancellationToken)
    {
        var machine = await CreateMachineAsync(bench, cancellationToken);
        try
        {
            var run = await machine.StartAsync(Line(prefix, command), s3.ClientEnvironment, cancellationToken);
            return new FloeTask(machine, run, s3.ClientEnvironment);
        }
        catch
        {
            await machine.DisposeAsync();
            throw;
        }
    }

    public static Task<Machine> CreateMachineAsync(Workbench bench, CancellationToken cancellationToken, MachineKind kind = MachineKind.Container) =>
        Machine.CreateAsync(new MachineOptions { Kind = kind, Binds = [new MachineBind(bench.Programs, Workbench.ProgramsAt, ReadOnly: true)] }, cancellationToken);

    /// <summary>
    /// The command line in a machine. It writes the time at which floe begins, in nanoseconds, to stderr first. Only the (empty) working
    /// directory and /tmp are looked through for files: the host's /usr below the machine is no container image.
    /// </summary>
    public static IReadOnlyList<string> Line(string prefix, IReadOnlyList<string> command) =>
    [
        "/bin/sh", "-c", $"mkdir -p {WorkingDirectory} && cd {WorkingDirectory} && date +%s%N >&2 && exec \"$@\"", "sh",
        Floe, "run", "--store", DoubleProcess.Url(prefix), "--key", Key, "--notices=none", "--files", "work", "--lease-wait", "5", "--on-restore-failure", "fail", "--", .. command,
    ];

    /// <summary>Waits until a line of the task's output begins with that word, and returns the rest of it.</summary>
    public async Task<string> LineAsync(string word, CancellationToken cancellationToken) => await LineAsync(Run, word, cancellationToken);

    public static async Task<string> LineAsync(MachineProcess process, string word, CancellationToken cancellationToken)
    {
        while (true)
        {
            var ended = process.HasExited;
            var lines = System.Text.Encoding.UTF8.GetString(process.Output).Split('\n')[..^1];
            if (lines.FirstOrDefault(l => l.StartsWith(word, StringComparison.Ordinal)) is { } line)
            {
                return line[word.Length..].Trim();
            }

            if (ended)
            {
                throw new InvalidOperationException($"the task ended before it said '{word}': {process.Errors.Trim()}");
            }

            await Task.Delay(20, cancellationToken);
        }
    }

    /// <summary>Asks for a snapshot; returns what the agent says when it is committed.</summary>
    /// <param name="started">Is given the asking process as soon as it runs.</param>
    public async Task<SnapshotReport> SnapshotAsync(bool leaveRunning, CancellationToken cancellationToken, Action<MachineProcess>? started = null)
    {
        List<string> command = [Floe, "snapshot", "--key", Key, "--json"];
        if (leaveRunning)
        {
            command.Add("--leave-running");
        }

        var asked = await Machine.StartBesideAsync(Run, command, _environment, cancellationToken);
        started?.Invoke(asked);
        var result = await asked.WaitAsync(cancellationToken);
        return result.Status.Success
            ? JsonSerializer.Deserialize(result.Text, ControlJson.Default.SnapshotReport)!
            : throw new InvalidOperationException($"floe snapshot: {result.Status}: {result.Errors.Trim()} {Run.Errors.Trim()}");
    }

    /// <summary>Runs a shell script beside the task and returns its stdout.</summary>
    public Task<string> ShellAsync(string script, CancellationToken cancellationToken) => ShellAsync(Machine, Run, script, _environment, cancellationToken);

    public static async Task<string> ShellAsync(Machine machine, MachineProcess? beside, string script, IReadOnlyDictionary<string, string> environment, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> command = ["/bin/bash", "-euo", "pipefail", "-c", script];
        var process = beside is null
            ? await machine.StartAsync(command, environment, cancellationToken)
            : await machine.StartBesideAsync(beside, command, environment, cancellationToken);
        var result = await process.WaitAsync(cancellationToken);
        return result.Status.Success ? result.Text.Trim() : throw new InvalidOperationException($"{script}: {result.Status}: {result.Errors.Trim()}");
    }

    /// <summary>The root of what is dumped, as its machine numbers it: the init of the task, which is the agent's child.</summary>
    public Task<string> RootPidAsync(CancellationToken cancellationToken) => ShellAsync("set -- $(cat /proc/1/task/*/children); echo $1", cancellationToken);

    /// <summary>Waits for the end after a snapshot that took the task away.</summary>
    public async Task<ExitStatus> EndedAsync(CancellationToken cancellationToken) => await Run.Ended.WaitAsync(cancellationToken);

    public ValueTask DisposeAsync() => Machine.DisposeAsync();
}
