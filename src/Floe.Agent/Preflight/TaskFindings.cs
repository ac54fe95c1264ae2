using System.Globalization;

namespace Floe.Agent.Preflight;

/// <summary>Collects what was found, by check: a count and a few examples each, however large the tree is.</summary>
internal sealed class TaskFindings
{
    private const int MaxExamples = 3;
    private readonly Dictionary<string, Finding> findings = new(StringComparer.Ordinal);

    public void Add(TaskCheck check, string example)
    {
        if (!findings.TryGetValue(check.Name, out var finding))
        {
            findings[check.Name] = finding = new Finding();
        }

        finding.Count++;
        if (finding.Examples.Count < MaxExamples && !finding.Examples.Contains(example))
        {
            finding.Examples.Add(Printable(example));
        }
    }

    public CheckResult ToResult(TaskCheck check)
    {
        if (!findings.TryGetValue(check.Name, out var finding))
        {
            return CheckResult.Pass(check.Name, check.NothingFound);
        }

        var more = finding.Count - finding.Examples.Count;
        var detail = string.Join("; ", finding.Examples) + (more > 0 ? string.Create(CultureInfo.InvariantCulture, $"; and {more} more") : "");
        return new CheckResult(check.Name, check.Severity, detail, check.Fix);
    }

    // Names of files and processes are chosen by the task; none may end the line or steer the terminal.
    private static string Printable(string text) =>
        text.Any(char.IsControl) ? new string([.. text.Select(static c => char.IsControl(c) ? '?' : c)]) : text;

    private sealed class Finding
    {
        public int Count { get; set; }

        public List<string> Examples { get; } = [];
    }
}
