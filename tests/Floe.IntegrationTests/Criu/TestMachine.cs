using System.Text;
using Floe.Linux.Processes;
using Floe.Testing;

using Xunit;

namespace Floe.IntegrationTests.Criu;

/// <summary>
/// Runs scenarios of Floe.CriuMachine, each as pid 1 of fresh pid, mount and IPC namespaces with a /dev/shm of the folder, as
/// machine A and machine B would be. Needs root, and a CRIU that eng/criu.sh can make; without, the tests fail.
/// </summary>
internal sealed class TestMachine : IDisposable
{
    private static readonly Lazy<Task<string>> s_criu = new(MakeCriuAsync);
    private readonly ScratchFolder _scratch = new();

    public TestMachine() => _scratch.Folder("shm");

    public string this[string name] => _scratch[name];

    public static Task<string> CriuPrefixAsync() => s_criu.Value;

    public string Text(string name) => File.ReadAllText(_scratch[name]);

    /// <summary>A scenario, which must end with 0.</summary>
    public async Task RunAsync(string scenario, params string[] arguments)
    {
        var criu = await CriuPrefixAsync();
        var machine = Path.Combine(AppContext.BaseDirectory, "Floe.CriuMachine");
        var status = await RunProgramAsync(
            "/usr/bin/unshare",
            ["--pid", "--mount", "--ipc", "--fork", "--mount-proc", "--kill-child", "/bin/sh", "-c", "mount --bind \"$0\" /dev/shm && exec \"$@\"", _scratch["shm"], machine, scenario, _scratch.Path, .. arguments],
            [$"FLOE_CRIU={criu}"],
            _scratch[scenario + ".out"]);
        Assert.True(status.Success, $"{scenario}: {status}\n{Text(scenario + ".out")}\n{Log(scenario)}");
    }

    /// <summary>The output of a command that runs uninterrupted in a folder of its own.</summary>
    public async Task<string> ReferenceAsync(params string[] command)
    {
        var folder = _scratch.Folder("reference");
        var status = await RunProgramAsync("/bin/sh", ["-c", "cd \"$0\" && exec \"$@\"", folder, .. command], [], _scratch["reference.out"]);
        Assert.True(status.Success, Text("reference.out"));
        return Text("reference.out");
    }

    /// <summary>A program's path in the folder.</summary>
    public string Write(string name, string text)
    {
        File.WriteAllText(_scratch[name], text);
        return _scratch[name];
    }

    public void Dispose() => _scratch.Dispose();

    private string Log(string scenario) => File.Exists(_scratch[scenario + ".log"]) ? Text(scenario + ".log") : "";

    private static async Task<string> MakeCriuAsync()
    {
        if (Environment.GetEnvironmentVariable("FLOE_CRIU") is { Length: > 0 } given)
        {
            return given;
        }

        using var scratch = new ScratchFolder();
        var status = await RunProgramAsync("/bin/bash", [Repository.PathOf("eng/criu.sh")], [], scratch["out"]);
        var output = await File.ReadAllTextAsync(scratch["out"]);
        return status.Success ? output.Trim().Split('\n')[^1] : throw new InvalidOperationException($"eng/criu.sh: {output}");
    }

    private static async Task<ExitStatus> RunProgramAsync(string path, string[] arguments, string[] environment, string outputPath)
    {
        using var output = File.OpenHandle(outputPath, FileMode.Create, FileAccess.Write);
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Path = Encoding.UTF8.GetBytes(path),
            Arguments = [Encoding.UTF8.GetBytes(path), .. arguments.Select(Encoding.UTF8.GetBytes)],
            Environment = [.. ChildProcess.OwnEnvironment(), .. environment.Select(Encoding.UTF8.GetBytes)],
            Descriptors = [(output, 1), (output, 2)],
        });
        return await process.Exited;
    }
}
