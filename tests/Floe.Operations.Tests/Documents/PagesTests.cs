using System.Text.RegularExpressions;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Documents;

/// <summary>Pages that must name all that the code has.</summary>
public sealed partial class PagesTests
{
    private static readonly string s_source = string.Join('\n', Directory.EnumerateFiles(Repository.PathOf("src"), "*.cs", SearchOption.AllDirectories)
        .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal)).Select(File.ReadAllText));

    /// <summary>Named in the source, or made from an option's name as EnvironmentOption makes it.</summary>
    private static readonly HashSet<string> s_variables =
    [
        .. VariableName().Matches(s_source).Select(m => m.Value),
        .. VariableOption().Matches(s_source).Select(m => "FLOE_" + m.Groups[1].Value.Replace('-', '_').ToUpperInvariant()),
    ];

    [Fact]
    public void Variables_OfTheSource_AreAllOnThePage()
    {
        Assert.Superset(new HashSet<string> { "FLOE_STORE", "FLOE_NOTICE_POLL", "FLOE_S3_REGION", "FUSION_WORK", "GCE_METADATA_HOST" }, s_variables);
        Assert.Empty(s_variables.Except(OnThePage()).Order());
    }

    [Fact]
    public void Variables_OfThePage_AreAllInTheSource() => Assert.Empty(OnThePage().Except(s_variables).Order());

    [Theory]
    [InlineData("docs/stores.md")]
    [InlineData("docs/troubleshooting.md")]
    public void Rights_OfForgeAndDoctor_AreAllOnThePage(string page)
    {
        var text = File.ReadAllText(Repository.PathOf(page));

        // The service may be named once for several of them.
        Assert.All(StoreRights.All, right => Assert.Contains($"{right.Action["s3:".Length..]}`", text, StringComparison.Ordinal));
        Assert.All(StoreRights.OfKmsKey, action => Assert.Contains($"`{action}`", text, StringComparison.Ordinal));
    }

    [Fact]
    public void Overview_OfThePages_NamesEachAndNoOther()
    {
        var folder = Repository.PathOf("docs");
        var linked = PageLink().Matches(File.ReadAllText(Path.Combine(folder, "README.md"))).Select(m => m.Groups[1].Value).Order(StringComparer.Ordinal);
        Assert.Equal(Directory.EnumerateFiles(folder, "*.md").Select(f => Path.GetFileName(f)).Where(f => f != "README.md").Order(StringComparer.Ordinal), linked);
    }

    private static IEnumerable<string> OnThePage() => VariableName().Matches(File.ReadAllText(Repository.PathOf("docs/variables.md"))).Select(m => m.Value);

    [GeneratedRegex(@"\b(?:FLOE|FUSION|GCE)_[A-Z0-9_]*[A-Z0-9]\b")]
    private static partial Regex VariableName();

    [GeneratedRegex(@"EnvironmentOption\.\w+\(\s*""--([a-z-]+)""")]
    private static partial Regex VariableOption();

    [GeneratedRegex(@"\]\(([a-z-]+\.md)\)")]
    private static partial Regex PageLink();
}
