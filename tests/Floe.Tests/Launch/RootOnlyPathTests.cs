using Floe.Agent;
using Floe.Agent.Launch;
using Floe.Linux;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Launch;

/// <summary>Needs root, which owns what it makes.</summary>
public sealed class RootOnlyPathTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public RootOnlyPathTests() => Directory.CreateDirectory(_folder["a/b"], (UnixFileMode)0b111_101_101);

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(0b111_101_101, true)]
    [InlineData(0b001_111_111_111, true)]
    [InlineData(0b111_111_101, false)]
    [InlineData(0b111_101_111, false)]
    public void Require_FolderOnTheWay_IsWritableByRootAloneOrSticky(int mode, bool isFine)
    {
        File.SetUnixFileMode(_folder["a"], (UnixFileMode)mode);
        if (isFine)
        {
            RootOnlyPath.Require(_folder["a/b/not/there/yet"], "a program");
        }
        else
        {
            Assert.Contains($"{_folder["a"]} is writable by others", Refusal(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Require_FolderOfAnotherUser_IsNamed()
    {
        using (var folder = Interop.openat(Interop.AT_FDCWD, _folder["a"], Interop.O_RDONLY | Interop.O_DIRECTORY | Interop.O_CLOEXEC, 0))
        {
            Assert.Equal(0, Interop.fchown((int)folder.DangerousGetHandle(), 1000, 0));
        }

        Assert.Contains($"{_folder["a"]} belongs to user 1000", Refusal(), StringComparison.Ordinal);
    }

    private string Refusal()
    {
        var e = Assert.Throws<FloeException>(() => RootOnlyPath.Require(_folder["a/b"], "a program"));
        Assert.Equal(ExitCodes.StoreError, e.ExitCode);
        return e.Message;
    }
}
