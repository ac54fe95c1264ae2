using Floe.Agent.Mounts;
using Floe.FileSystem.Moving;
using Xunit;

namespace Floe.Tests.Mounts;

public sealed class MountLimitsTests
{
    [Fact]
    public void Checked_UpToTheLimit_IsTheSame()
    {
        var bytes = new byte[4 << 20];
        Assert.Same(bytes, MountLimits.Checked(bytes, bytes.Length, "the state"));
    }

    [Fact]
    public void Checked_MoreThanARestoreTakes_FailsInOneLine()
    {
        var error = Assert.Throws<MountStateException>(() => MountLimits.Checked(new byte[(4 << 20) + 1], 4 << 20, "the state"));
        Assert.Equal("the state comes to 4194305 bytes, and no restore takes more than 4194304", error.Message);
    }
}
