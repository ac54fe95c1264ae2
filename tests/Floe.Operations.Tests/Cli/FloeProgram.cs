using System.Text;
using System.Text.Json;
using Floe.Linux.Processes;
using Floe.Testing;

namespace Floe.Operations.Tests.Cli;

/// <summary>How a run of floe ended, and what it said.</summary>
internal sealed record Said(int Status, string Out, string Error)
{
    public JsonElement Json => JsonDocument.Parse(Out).RootElement;
}

/// <summary>
/// The program as it was built beside these tests, in a process of its own: nothing of this machine's AWS set-up reaches it, and it can reach no
/// real endpoint.
/// </summary>
internal static class FloeProgram
{
    public static string Path { get; } =
        System.IO.Path.GetFullPath(System.IO.Path.Combine(AppContext.BaseDirectory, "../../Floe.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "floe"));

    /// <param name="through">A program, by its path, and the arguments behind which it takes a command: it runs floe.</param>
    public static async Task<Said> RunAsync(
        IReadOnlyList<string> arguments, IReadOnlyList<(string Name, string Value)>? variables = null, string? input = null, IReadOnlyList<string>? through = null)
    {
        using var folder = new ScratchFolder();
        await File.WriteAllTextAsync(folder["in"], input ?? "");
        (string Name, string Value)[] isolation =
        [
            ("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_CONFIG_FILE", folder["none"]), ("AWS_SHARED_CREDENTIALS_FILE", folder["none"]), ("HOME", folder.Path),
            ("FLOE_STATE_DIR", folder["state"]), ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),

            // It runs for a moment: what is compiled is not worth measuring.
            ("DOTNET_TieredPGO", "0"), ("DOTNET_TC_BackgroundWorkerTimeoutMs", "0"),
        ];
        var set = isolation.Concat(variables ?? []).GroupBy(v => v.Name).Select(g => g.Last()).ToList();
        var inherited = ChildProcess.OwnEnvironment().Select(Encoding.UTF8.GetString)
            .Where(entry => !entry.StartsWith("AWS_", StringComparison.Ordinal) && !entry.StartsWith("FLOE_", StringComparison.Ordinal) && set.All(v => !entry.StartsWith(v.Name + "=", StringComparison.Ordinal)));
        using var input0 = File.OpenHandle(folder["in"]);
        using (var stdout = File.OpenHandle(folder["out"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
        using (var stderr = File.OpenHandle(folder["err"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
        {
            var process = ChildProcess.Start(new ChildProcessOptions
            {
                Path = Encoding.UTF8.GetBytes(through?[0] ?? Path),
                Arguments = [.. (through is null ? ["floe"] : through.Append(Path)).Concat(arguments).Select(Encoding.UTF8.GetBytes)],
                Environment = [.. inherited.Concat(set.Select(v => $"{v.Name}={v.Value}")).Select(Encoding.UTF8.GetBytes)],
                Descriptors = [(input0, 0), (stdout, 1), (stderr, 2)],
            });
            var status = await process.Exited;
            return new Said(status.ShellCode, await File.ReadAllTextAsync(folder["out"]), await File.ReadAllTextAsync(folder["err"]));
        }
    }
}
