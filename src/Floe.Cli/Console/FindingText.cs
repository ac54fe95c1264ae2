using System.Text.Json;
using Floe.Operations;

namespace Floe.Cli.Console;

/// <summary>Findings as people read them, and the exit status that scripts read.</summary>
internal static class FindingText
{
    /// <returns>0 when nothing failed (nor, with <paramref name="strict"/>, was warned of), else 1.</returns>
    public static int Print(FindingReport report, bool json, bool quiet, bool strict)
    {
        if (json)
        {
            System.Console.WriteLine(JsonSerializer.Serialize(report, FindingJson.Default.FindingReport));
        }
        else
        {
            foreach (var finding in report.Findings.Where(f => !quiet || f.Status != FindingStatus.Pass))
            {
                System.Console.WriteLine($"{Word(finding.Status)}  {(finding.Line is { } line ? $"line {line}: " : "")}{finding.Detail} [{finding.Check}]");
                if (finding.Fix is { } fix)
                {
                    System.Console.WriteLine($"      -> {fix}");
                }
            }

            System.Console.WriteLine($"{report.Subject}: {report.Failed} failed, {report.Warned} warned, {report.Findings.Count - report.Failed - report.Warned} passed");
        }

        return report.Failed > 0 || (strict && report.Warned > 0) ? 1 : 0;
    }

    /// <summary>Coloured on a terminal that wants it.</summary>
    private static string Word(FindingStatus status)
    {
        var (word, color) = status switch { FindingStatus.Pass => ("pass", 32), FindingStatus.Warn => ("warn", 33), _ => ("FAIL", 31) };
        return System.Console.IsOutputRedirected || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? word : $"\e[{color}m{word}\e[0m";
    }
}
