using Floe.FileSystem.Tests.Core;
using Floe.FileSystem.Tests.Doubles;
using Floe.Testing;
using Xunit;

namespace Floe.FileSystem.Tests.Mounts;

/// <summary>What a POSIX file system does, on a mount and on a local folder: docs/semantics.md, "What differs from POSIX".</summary>
public sealed class PosixTests
{
    /// <summary>The whole list of differences: what was tried, and what the mount answers.</summary>
    private static readonly Dictionary<string, string> s_differences = new()
    {
        ["a hard link"] = "ENOTSUP",
        ["setting an attribute"] = "ENOTSUP",
        ["a device"] = "EPERM",
    };

    [Fact]
    public async Task Checks_OnAMount_AnswerAsALocalFolder()
    {
        using var scratch = new ScratchFolder();
        var (isLocalOk, local) = await Scripts.PythonAsync(scratch, "posix.py", scratch.Folder("local"));
        Assert.True(isLocalOk, local);
        await using var mount = TestMount.Start(scratch, new MemoryBuckets(Tree.Bucket));
        var (isOk, mounted) = await Scripts.PythonAsync(scratch, "posix.py", mount.Path);
        Assert.True(isOk, mounted);
        var expected = local.Split('\n').Select(line => s_differences.TryGetValue(line.Split(": ")[0], out var other) ? $"{line.Split(": ")[0]}: {other}" : line);
        Assert.Equal(expected, mounted.Split('\n'));
        await mount.UnmountAsync();
    }
}
