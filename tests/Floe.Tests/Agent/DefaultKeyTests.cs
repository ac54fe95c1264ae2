using Floe.Agent.Run;
using Floe.Store;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class DefaultKeyTests
{
    [Theory]
    [InlineData("/usr/bin/train.sh")]
    [InlineData("../ä ö")]
    [InlineData("-x")]
    [InlineData("_")]
    public void For_AnyCommand_GivesAValidKey(string command)
    {
        Assert.True(TaskKey.TryParse(DefaultKey.For([command, "a b"], "/work dir"), out _, out var error), error);
    }

    [Fact]
    public void For_OtherArgumentOrFolder_GivesAnotherKey()
    {
        var key = DefaultKey.For(["run", "a"], "/x");
        Assert.Equal(key, DefaultKey.For(["run", "a"], "/x"));
        Assert.NotEqual(key, DefaultKey.For(["run", "b"], "/x"));
        Assert.NotEqual(key, DefaultKey.For(["run", "a"], "/y"));
        Assert.NotEqual(DefaultKey.For(["run", "a b"], "/x"), DefaultKey.For(["run", "a", "b"], "/x"));
    }
}
