using CsCheck;
using Floe.Cli.Console;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class LineDiffTests
{
    [Fact]
    public void Of_RepeatedLines_AreKept() =>
        Assert.Equal("  if|- fi|- if|+ new|  fi", string.Join('|', LineDiff.Of(["if", "fi", "if", "fi"], ["if", "new", "fi"]).Select(l => $"{l.Sign} {l.Line}")));

    [Fact]
    public void Of_AnyTexts_LeadFromOneToTheOther() => Gen.Select(Gen.Int[0, 3].Array[0, 12], Gen.Int[0, 3].Array[0, 12]).Sample((a, b) =>
    {
        var (from, to) = (a.Select(x => $"{x}").ToList(), b.Select(x => $"{x}").ToList());
        var diff = LineDiff.Of(from, to);
        return diff.Where(l => l.Sign != '+').Select(l => l.Line).SequenceEqual(from) && diff.Where(l => l.Sign != '-').Select(l => l.Line).SequenceEqual(to);
    });

    [Fact]
    public void Lines_Policy_HasOneForEachStatement() => Assert.Equal(
        ["Allow s3:GetObject, s3:PutObject on arn:aws:s3:::b/*", "Allow sts:AssumeRole to ec2.amazonaws.com", """{"Effect":"Deny","NotAction":"s3:*"}"""],
        ForgeText.Lines("""{"Statement":[{"Sid":"x","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":["arn:aws:s3:::b/*"]},{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}},{"Effect":"Deny","NotAction":"s3:*"}]}"""));

    [Theory]
    [InlineData("{nonsense")]
    [InlineData("""{"Statement":7}""")]
    public void Lines_NoPolicy_IsAsWritten(string text) => Assert.Equal([text], ForgeText.Lines(text));
}
