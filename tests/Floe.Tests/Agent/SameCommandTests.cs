using System.Text;
using Floe.Agent.Run;
using Floe.Tests.Store.Doubles;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class SameCommandTests
{
    [Theory]
    [InlineData("sleep\n1", "/", null)]
    [InlineData("sleep\n2", "/", "word 2 of the command was '1', here it is '2'")]
    [InlineData("sleep\n1\n2", "/", "word 3 of the command was missing, here it is '2'")]
    [InlineData("sleep", "/", "word 2 of the command was '1', here it is missing")]
    [InlineData("sleep\n1", "/work", "it was started in '/', here it is '/work'")]
    public void WhyNot_ALine_SaysWhatDiffers(string words, string folder, string? difference) =>
        Assert.Equal(difference, SameCommand.WhyNot(SnapshotFixture.Facts, [.. words.Split('\n').Select(Encoding.UTF8.GetBytes)], folder));

    [Fact]
    public void WhyNot_AScriptOfManyLines_IsShownInPartOfOne()
    {
        var difference = SameCommand.WhyNot(SnapshotFixture.Facts, ["sleep"u8.ToArray(), Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("echo\n", 1000)))], "/")!;
        Assert.InRange(difference.Length, 1, 200);
        Assert.DoesNotContain('\n', difference);
    }
}
