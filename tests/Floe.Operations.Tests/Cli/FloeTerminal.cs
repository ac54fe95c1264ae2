using System.Text;
using Floe.Linux.Processes;

namespace Floe.Operations.Tests.Cli;

/// <summary>floe on a pseudo-terminal, which util-linux's script makes.</summary>
internal static class FloeTerminal
{
    /// <param name="screen">The file that gets what floe writes there.</param>
    public static ChildProcess Start(string verb, string screen, int columns = 80, params (string Name, string Value)[] variables)
    {
        using var nothing = File.OpenHandle("/dev/null");
        using var output = File.OpenHandle(screen, FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        return ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/usr/bin/script"u8.ToArray(),
            Arguments = [.. ((string[])["script", "-q", "-e", "-f", "-c", $"stty cols {columns} rows 24; exec '{FloeProgram.Path}' {verb}", "/dev/null"]).Select(Encoding.UTF8.GetBytes)],
            Environment =
            [
                .. ChildProcess.OwnEnvironment().Where(e => !e.AsSpan().StartsWith("TERM="u8)), "TERM=xterm"u8.ToArray(),
                .. variables.Select(v => Encoding.UTF8.GetBytes($"{v.Name}={v.Value}")),
            ],
            Descriptors = [(nothing, 0), (output, 1), (output, 2)],
            NewSession = true,
        });
    }
}
