using CsCheck;
using Floe.Operations.Doctor;
using Xunit;

namespace Floe.Operations.Tests.Doctor;

public sealed class PolicySetTests
{
    [Theory]
    [InlineData("""{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}""", true)]
    [InlineData("""{"Effect":"Allow","Action":["s3:Put*","S3:get*"],"Resource":["*"]}""", true)]
    [InlineData("""{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}""", true)]
    [InlineData("""{"Effect":"Allow","Action":"s3:*","NotResource":"arn:aws:s3:::other/*"}""", true)]
    [InlineData("""{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}""", true)]
    [InlineData("""{"Effect":"Allow","Action":"s3:GetObjec","Resource":"*"}""", false)]
    [InlineData("""{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b"}""", false)]
    [InlineData("""{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::B/*"}""", false)]
    [InlineData("""{"Effect":"Allow","NotAction":"s3:*","Resource":"*"}""", false)]
    [InlineData("""{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Get*","Resource":"arn:aws:s3:::b/?"}""", false)]
    [InlineData("""{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"s3:Get*","Resource":"*","Condition":{"IpAddress":{}}}""", true)]
    public void Allows_Statements_AreReadAsIamReadsThem(string statements, bool expected) =>
        Assert.Equal(expected, Set(statements).Allows("s3:GetObject", "arn:aws:s3:::b/k"));

    [Theory]
    [InlineData("""{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}""", true)]
    [InlineData("""{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"*"}""", false)]
    [InlineData("""{"Effect":"Allow","Action":"s3:*","Resource":"*"},{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}""", true)]
    public void AllowsSomewhere_Statements_NeedOneAndNoDenialOfAll(string statements, bool expected) =>
        Assert.Equal(expected, Set(statements).AllowsSomewhere("s3:GetObject"));

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"Statement":7}""")]
    [InlineData("""{"Statement":[{"Action":"*"}]}""")]
    [InlineData("""{"Statement":[{"Effect":"Allow","Action":[7],"Resource":"*"}]}""")]
    public void New_NoPolicy_IsCountedAndAllowsNothing(string text)
    {
        var set = new PolicySet([text]);
        Assert.Equal((1, false), (set.Unreadable, set.AllowsSomewhere("s3:GetObject")));
    }

    [Fact]
    public void Like_AnyPattern_IsWhatARegularExpressionSays() => Gen.Select(Gen.Char["ab*?"].Array[0, 8], Gen.Char["ab"].Array[0, 10]).Sample((pattern, text) =>
    {
        var (p, t) = (new string(pattern), new string(text));
        var regex = $"^{p.Replace("?", ".", StringComparison.Ordinal).Replace("*", ".*", StringComparison.Ordinal)}$";
        return PolicySet.Like(p, t, ignoreCase: false) == System.Text.RegularExpressions.Regex.IsMatch(t, regex);
    });

    private static PolicySet Set(string statements) => new([$$"""{"Version":"2012-10-17","Statement":[{{statements}}]}"""]);
}
