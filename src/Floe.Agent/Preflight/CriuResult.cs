using Floe.Criu;

namespace Floe.Agent.Preflight;

/// <summary>The line about CRIU: where it is, and what it finds missing here when it tries (<see cref="CriuCheck"/>).</summary>
public static class CriuResult
{
    public const string Name = "CRIU";

    /// <param name="what">Version and path.</param>
    /// <param name="checks">What CRIU said.</param>
    public static CheckResult Of(string what, IReadOnlyList<CriuCheckResult> checks)
    {
        var missing = checks.Where(c => !c.Available).ToList();
        if (missing.Count == 0)
        {
            return CheckResult.Pass(Name, $"{what}; criu check passes");
        }

        var detail = $"{what}; {string.Join("; ", missing.Select(m => $"{m.Name}: {m.Reason}"))}";
        return missing.Exists(m => m.Name == CriuCheck.TimeNamespace)
            ? CheckResult.Fail(Name, detail, "use a kernel with time namespaces (5.6, CONFIG_TIME_NS) and run privileged: CRIU needs CAP_SYS_ADMIN and CAP_SYS_TIME to try.")
            : CheckResult.Warn(Name, detail, "not all of it is needed by every task: try one with floe snapshot. A privileged container and a newer kernel mend most of it.");
    }
}
