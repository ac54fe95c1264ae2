using Floe.FileSystem.Metadata;
using Xunit;

namespace Floe.FileSystem.Tests.Core;

public sealed class TagRulesTests
{
    private const string Default = "[.command.*|.exitcode|.fusion.*](nextflow.io/metadata=true),[*](nextflow.io/temporary=true)";

    [Theory]
    [InlineData(".command.run", "nextflow.io/metadata")]
    [InlineData(".exitcode", "nextflow.io/metadata")]
    [InlineData("sample.bam", "nextflow.io/temporary")]
    public void For_NextflowsRules_FirstMatchCounts(string name, string tag) =>
        Assert.Equal([new(tag, "true")], TagRules.TryParse(Default, out _)!.For(name));

    [Theory]
    [InlineData("x")]
    [InlineData("[*]")]
    [InlineData("[*]()[*](a=b)")]
    [InlineData("[](a=b)")]
    [InlineData("[*](a)")]
    [InlineData("[*](=b)")]
    [InlineData("[*](a=b")]
    [InlineData("[*](1=,2=,3=,4=,5=,6=,7=,8=,9=,10=,11=)")]
    public void TryParse_WhatIsNoRule_SaysSo(string text)
    {
        Assert.Null(TagRules.TryParse(text, out var error));
        Assert.NotNull(error);
        Assert.DoesNotContain('\n', error);
    }

    [Fact]
    public void For_NoRules_AreNoTags() => Assert.Empty(TagRules.TryParse("", out _)!.For("x"));
}
