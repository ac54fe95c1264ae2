using System.Text.RegularExpressions;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests;

/// <summary>docs/semantics.md promises nothing that no test executes.</summary>
public sealed partial class SemanticsTests
{
    [Fact]
    public void Promises_EachOfThem_NamesATestThatIsThere()
    {
        var sources = Directory.EnumerateFiles(Repository.PathOf("tests"), "*Tests.cs", SearchOption.AllDirectories)
            .Where(path => path.Contains("FileSystem", StringComparison.Ordinal)).Select(File.ReadAllText).ToList();
        var unknown = new List<string>();
        var section = "";
        foreach (var line in File.ReadLines(Repository.PathOf("docs/semantics.md")))
        {
            section = line.StartsWith("## ", StringComparison.Ordinal) ? line[3..] : section;
            var names = Name().Matches(line);
            var isPromise = line.StartsWith("- ", StringComparison.Ordinal) || (section == "Names" && line.StartsWith("| ", StringComparison.Ordinal) && !line.StartsWith("| key", StringComparison.Ordinal));
            if (isPromise && names.Count == 0)
            {
                unknown.Add($"no test: {line}");
            }

            unknown.AddRange(names.Where(n => !sources.Exists(s =>
                s.Contains($"class {n.Groups[1].Value} ", StringComparison.Ordinal) || s.Contains($"class {n.Groups[1].Value}\n", StringComparison.Ordinal)
                    ? s.Contains($" {n.Groups[2].Value}(", StringComparison.Ordinal) : false)).Select(n => n.Value));
        }

        Assert.Empty(unknown);
    }

    [GeneratedRegex("`([A-Z][A-Za-z]+Tests)\\.([A-Z][A-Za-z0-9_]+)`")]
    private static partial Regex Name();
}
