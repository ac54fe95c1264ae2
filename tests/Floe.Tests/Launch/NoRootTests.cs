using Floe.Agent.Launch;
using Xunit;

namespace Floe.Tests.Launch;

public sealed class NoRootTests
{
    private const string Program = "/opt/floe/bin/floe";
    private const string Plain = "Name:\tfloe\nNoNewPrivs:\t0\nSeccomp:\t0\n";
    private const string Root = "22 1 0:5 / / rw,relatime - overlay overlay rw\n";
    private const UnixFileMode SetUserId = UnixFileMode.SetUser | (UnixFileMode)0b111_101_101;

    [Fact]
    public void Reason_FileWithoutTheBit_NamesTheFile() =>
        Assert.Equal($"{Program} does not carry the set-user-id bit that the layer gives it", NoRoot.Reason((UnixFileMode)0b111_101_101, Program, Plain, Root, 1));

    [Theory]
    [InlineData("NoNewPrivs:\t1\n", Root, 1, "no_new_privs")]
    [InlineData(Plain, Root, 7, "this is process 7")]
    [InlineData(Plain, Root, 1, "not the root of this user namespace")]
    [InlineData(Plain, "22 1 0:5 / / rw,nosuid - overlay overlay rw\n", 1, "mounted nosuid")]
    [InlineData(Plain, Root + "23 22 0:6 / /opt rw,nosuid,nodev - tmpfs tmpfs rw\n", 1, "mounted nosuid")]
    [InlineData(Plain, Root + "23 22 0:6 / /opt rw,nosuid - tmpfs tmpfs rw\n24 23 0:7 / /opt/floe ro - tmpfs tmpfs rw\n", 1, "user namespace")]
    [InlineData(Plain, Root + "23 22 0:6 / /op rw,nosuid - tmpfs tmpfs rw\n", 1, "user namespace")]
    public void Reason_BitWithoutEffect_SaysWhatKeepsItFromIt(string status, string mounts, int pid, string expected)
    {
        var reason = NoRoot.Reason(SetUserId, Program, status, mounts, pid);
        Assert.StartsWith("the program's set-user-id bit has no effect: ", reason, StringComparison.Ordinal);
        Assert.Contains(expected, reason, StringComparison.Ordinal);
    }
}
