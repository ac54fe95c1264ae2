using System.Text;
using System.Text.Json;
using Floe.Linux.Processes;
using Floe.Testing;

namespace Floe.Bench;

/// <summary>What all benchmarks use: the compiled test programs, and how often to repeat.</summary>
internal sealed class Workbench : IDisposable
{
    /// <summary>Where every machine sees the test programs.</summary>
    public const string ProgramsAt = "/opt/bench";

    private readonly ScratchFolder _scratch = new();

    private Workbench()
    {
    }

    public static JsonSerializerOptions Json { get; } = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, WriteIndented = true };

    public string Programs => _scratch["programs"];

    public static async Task<Workbench> CreateAsync(CancellationToken cancellationToken)
    {
        var bench = new Workbench();
        try
        {
            bench._scratch.Folder("programs");
            var source = Repository.PathOf("bench/Floe.Bench/programs");
            foreach (var name in (string[])["memory", "work", "files"])
            {
                await RunAsync("/usr/bin/gcc", ["-O2", "-o", Path.Combine(bench.Programs, name), Path.Combine(source, name + ".c")], cancellationToken);
            }

            await RunAsync("/usr/bin/javac", ["-d", bench.Programs, Path.Combine(source, "Heap.java")], cancellationToken);
            File.Copy(Path.Combine(source, "heap.py"), Path.Combine(bench.Programs, "heap.py"));
            return bench;
        }
        catch
        {
            bench.Dispose();
            throw;
        }
    }

    public static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    public void Dispose() => _scratch.Dispose();

    private static async Task RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellationToken)
    {
        if (!File.Exists(program))
        {
            throw new InvalidOperationException($"{program} is missing: run eng/tools bench");
        }

        var child = ChildProcess.Start(new ChildProcessOptions
        {
            Path = Encoding.UTF8.GetBytes(program),
            Arguments = [.. arguments.Prepend(program).Select(Encoding.UTF8.GetBytes)],
        });
        var status = await child.Exited.WaitAsync(cancellationToken);
        if (!status.Success)
        {
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {status}");
        }
    }
}
