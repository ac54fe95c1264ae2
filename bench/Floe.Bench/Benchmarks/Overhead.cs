using System.Globalization;
using Floe.Testing.Imds;
using Floe.Testing.Machines;

namespace Floe.Bench.Benchmarks;

/// <summary>What it costs a task to run under an agent that takes no snapshot.</summary>
internal static class Overhead
{
    private const int Rounds = 25;

    public static Benchmark Benchmark { get; } = new(
        "overhead",
        "processor time of a program and of the agent over it under `floe run` (notices watched, no snapshot) / of the program run bare: one that computes, one that sends " +
        "messages through pipes; medians of 25, taken in turns; processor time, because the time that passes is other programs' too; smaller is better",
        RunAsync);

    private static async Task<IReadOnlyList<Measurement>> RunAsync(Workbench bench, CancellationToken cancellationToken)
    {
        await using var s3 = await DoubleProcess.StartAsync(keeps: false, cancellationToken);
        await using var imds = await ImdsDouble.StartAsync();
        await using var machine = await FloeTask.CreateMachineAsync(bench, cancellationToken);
        var environment = new Dictionary<string, string>(s3.ClientEnvironment) { ["FLOE_IMDS_ENDPOINT"] = imds.Endpoint.ToString().TrimEnd('/') };
        var measured = new List<Measurement>();
        foreach (var kind in (string[])["cpu", "pipe"])
        {
            IReadOnlyList<string> command = [$"{Workbench.ProgramsAt}/work", kind];
            var (bare, under) = (new List<double[]>(), new List<double[]>());
            for (var round = 0; round < Rounds; round++)
            {
                bare.Add(await RunOnceAsync(machine, command, environment, cancellationToken));
                under.Add(await RunOnceAsync(machine, [.. FloeTask.Line($"overhead-{kind}-{round}", command).Where(word => word != "--notices=none")], environment, cancellationToken));
            }

            double Of(List<double[]> runs, Func<double[], double> figure) => Workbench.Median(runs.Select(figure)) / 1e6;
            var ratio = Of(under, run => run[0] + run[1]) / Of(bare, run => run[0]);
            measured.Add(new Measurement($"overhead-{kind}", ratio, 1.01, Better.Smaller, new Dictionary<string, double>
            {
                ["bareCpuMillis"] = Of(bare, run => run[0]), ["taskCpuMillis"] = Of(under, run => run[0]), ["agentCpuMillis"] = Of(under, run => run[1]),
                ["bareMillis"] = Of(bare, run => run[2]), ["underFloeMillis"] = Of(under, run => run[2]),
            }));
        }

        return measured;
    }

    private static async Task<double[]> RunOnceAsync(Machine machine, IReadOnlyList<string> command, Dictionary<string, string> environment, CancellationToken cancellationToken)
    {
        var result = await (await machine.StartAsync(command, environment, cancellationToken)).WaitAsync(cancellationToken);
        return result.Status.Success
            ? [.. result.Text.Trim().Split(' ').Select(n => double.Parse(n, CultureInfo.InvariantCulture))]
            : throw new InvalidOperationException($"{string.Join(' ', command)}: {result.Status}: {result.Errors.Trim()}");
    }
}
