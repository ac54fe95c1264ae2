using Floe.Linux.Processes;

namespace Floe.Criu;

/// <summary>Asks CRIU what this machine can do (<c>criu check</c>).</summary>
public static class CriuCheck
{
    public const string TimeNamespace = "timens";

    /// <summary>
    /// Features that a dump or restore by Floe needs, and what is lost without them. nf_tables is not among them: networks are
    /// not locked (<c>--network-lock skip</c>), nor are network namespaces dumped. Nor is soft-dirty: changes are found by hashing.
    /// </summary>
    private static readonly (string Feature, string Consequence)[] s_features =
    [
        (TimeNamespace, "monotonic clocks cannot be carried to another machine: tasks would hang or jump"),
        ("clone3_set_tid", "pids are restored through ns_last_pid, which races with other processes"),
    ];

    /// <summary>
    /// The general check first, then each feature. CRIU tests by doing, so the result holds for this container with its
    /// capabilities, not for the kernel as such.
    /// </summary>
    public static async Task<IReadOnlyList<CriuCheckResult>> RunAsync(CriuInstallation criu, CancellationToken cancellationToken)
    {
        var (status, output) = await CriuProcess.RunAsync(criu, ["check", "--no-default-config"], cancellationToken).ConfigureAwait(false);
        var results = new List<CriuCheckResult> { new("criu check", status.Success, status.Success ? null : Reason(status, output)) };
        foreach (var (feature, consequence) in s_features)
        {
            (status, _) = await CriuProcess.RunAsync(criu, ["check", "--no-default-config", "--feature", feature], cancellationToken).ConfigureAwait(false);
            results.Add(new CriuCheckResult(feature, status.Success, status.Success ? null : consequence));
        }

        return results;
    }

    private static string Reason(ExitStatus status, string output)
    {
        var lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return Array.Find(lines, l => l.StartsWith("Error", StringComparison.Ordinal)) ?? Array.Find(lines, _ => true) ?? $"it ended with {status}";
    }
}

/// <param name="Name">"criu check" or the name of a feature as <c>criu check --feature</c> knows it.</param>
/// <param name="Reason">Null when it is there; else what CRIU said, or what is lost.</param>
public sealed record CriuCheckResult(string Name, bool Available, string? Reason);
