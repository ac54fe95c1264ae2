using System.Text.Json;
using Floe.Bench;
using Floe.Bench.Benchmarks;
using Floe.Testing;

if (args is ["serve", var mode])
{
    return await DoubleProcess.ServeAsync(mode);
}

Benchmark[] all =
[
    CaptureUpload.Benchmark, Compressible.Python, Compressible.Java, AgentMemory.Benchmark, SecondSnapshot.Benchmark, EagerRestore.Benchmark, Overhead.Benchmark,
    MountTransfers.Benchmark, MountMemory.Benchmark, MountNames.Benchmark, MountPeer.Benchmark,
];
if (args.FirstOrDefault(name => all.All(b => b.Name != name)) is { } unknown)
{
    Console.Error.WriteLine($"there is no benchmark '{unknown}'; there are: {string.Join(" ", all.Select(b => b.Name))}");
    return 2;
}

using var interrupted = new CancellationTokenSource();
Console.CancelKeyPress += (_, cancel) =>
{
    cancel.Cancel = true;
    interrupted.Cancel();
};

var chosen = args.Length == 0 ? all : [.. all.Where(b => args.Contains(b.Name))];
foreach (var benchmark in chosen)
{
    Console.WriteLine($"# {benchmark.Name}: {benchmark.Legend}");
}

var measured = new List<Measurement>();
var failed = false;
using var bench = await Workbench.CreateAsync(interrupted.Token);
foreach (var benchmark in chosen)
{
    try
    {
        foreach (var measurement in await benchmark.RunAsync(bench, interrupted.Token))
        {
            measured.Add(measurement);
            Console.WriteLine(measurement);
            Console.WriteLine($"#   {string.Join(", ", measurement.Figures.Select(f => $"{f.Key} {f.Value:0}"))}");
        }
    }
    catch (Exception failure) when (!interrupted.IsCancellationRequested)
    {
        failed = true;
        Console.WriteLine($"bench {benchmark.Name} failed: {failure.Message}");
    }

    // After each: what was measured stays when a later one is broken off.
    await WriteAsync(measured);
}

return !failed && measured.TrueForAll(m => m.IsOk) ? 0 : 1;

static async Task WriteAsync(IReadOnlyList<Measurement> measured)
{
    var results = new
    {
        Machine = new { Environment.ProcessorCount, Kernel = Environment.OSVersion.Version.ToString() },
        Benchmarks = measured.Select(m => new { m.Name, m.Ratio, m.Limit, Better = m.Better.ToString(), Ok = m.IsOk, m.Figures }),
    };
    Directory.CreateDirectory(Repository.PathOf("artifacts"));
    await File.WriteAllTextAsync(Repository.PathOf("artifacts/bench.json"), JsonSerializer.Serialize(results, Workbench.Json));
}
