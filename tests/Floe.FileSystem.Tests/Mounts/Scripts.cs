using System.Text;
using Floe.Linux.Processes;
using Floe.Testing;
using Microsoft.Win32.SafeHandles;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>Runs programs that use a mount: in processes of their own, since this one serves it.</summary>
internal static class Scripts
{
    /// <summary>A script beside this file, by python3; its output and whether it ended well.</summary>
    public static Task<(bool IsOk, string Output)> PythonAsync(ScratchFolder scratch, string name, params string[] arguments) =>
        RunAsync(scratch, "/usr/bin/python3", [Repository.PathOf($"tests/Floe.FileSystem.Tests/Mounts/{name}"), .. arguments]);

    public static Task<(bool IsOk, string Output)> ShellAsync(ScratchFolder scratch, string text) => RunAsync(scratch, "/bin/bash", ["-euo", "pipefail", "-c", text]);

    private static async Task<(bool IsOk, string Output)> RunAsync(ScratchFolder scratch, string program, string[] arguments)
    {
        var output = scratch[$"output-{Guid.NewGuid():n}"];
        ChildProcess child;
        using (var nothing = File.OpenHandle("/dev/null"))
        using (SafeFileHandle log = File.OpenHandle(output, FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
        {
            child = ChildProcess.Start(new ChildProcessOptions
            {
                Path = Encoding.UTF8.GetBytes(program),
                Arguments = [.. new[] { program }.Concat(arguments).Select(Encoding.UTF8.GetBytes)],
                Descriptors = [(nothing, 0), (log, 1), (log, 2)],
            });
        }

        var status = await child.Exited;
        return (status.Success, await File.ReadAllTextAsync(output));
    }
}
