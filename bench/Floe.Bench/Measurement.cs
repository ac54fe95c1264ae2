using System.Globalization;

namespace Floe.Bench;

/// <summary>A ratio and the limit that it must keep.</summary>
/// <param name="Name">Stable: results are compared by it from run to run.</param>
/// <param name="Figures">What it was computed from, with the unit in each name.</param>
internal sealed record Measurement(string Name, double Ratio, double Limit, Better Better, IReadOnlyDictionary<string, double> Figures)
{
    public bool IsOk => Better == Better.Smaller ? Ratio <= Limit : Ratio >= Limit;

    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"bench {Name} ratio {Ratio:0.####} limit {Limit:0.####} {(IsOk ? "ok" : "short")}");
}

internal enum Better
{
    Smaller,
    Larger,
}

/// <param name="Legend">What is divided by what, and which is better.</param>
internal sealed record Benchmark(string Name, string Legend, Func<Workbench, CancellationToken, Task<IReadOnlyList<Measurement>>> RunAsync);
