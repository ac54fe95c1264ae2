using Floe.Agent.Files;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

public sealed class FileScopeTests
{
    /// <summary>What other jobs have in it must not travel, nor be taken for removed by the task.</summary>
    [Fact]
    public void Resolve_EverybodysFolderIsALink_WhatItLeadsToIsEverybodys()
    {
        using var scratch = new ScratchFolder();
        scratch.Folder("work");
        scratch.Folder("disk/tmp");
        File.CreateSymbolicLink(scratch["tmp"], scratch["disk/tmp"]);
        var tree = FileScope.Create(new FileScopeOptions
        {
            Mode = FileScopeMode.Work, WorkingDirectory = scratch["work"], PublicPaths = [scratch["tmp"]],
        }).Resolve();
        Assert.True(tree.IsPublic(KernelPath.FromText(scratch["disk/tmp/file"])));
        Assert.True(tree.IsShared(KernelPath.FromText(scratch["work/file"])));
        Assert.False(tree.IsPublic(KernelPath.FromText(scratch["work/file"])));
    }

    [Theory]
    [InlineData(FileScopeMode.Work, "fuse.sshfs", false, true)]
    [InlineData(FileScopeMode.Root, "fuse.sshfs", false, true)]
    [InlineData(FileScopeMode.Work, "ext4", false, false)]
    [InlineData(FileScopeMode.Work, "fuse.floe", true, false)]
    [InlineData(FileScopeMode.Included, "fuse.sshfs", false, false)]
    public void WorkingDirectoryOnFuse_MountOfAType_IsNamedIfItIsFuseAndNotFloes(FileScopeMode mode, string type, bool isOwn, bool isNamed)
    {
        using var scratch = new ScratchFolder();
        var work = scratch.Folder("mount/work");
        var scope = FileScope.Create(new FileScopeOptions { Mode = mode, WorkingDirectory = work, AgentPaths = isOwn ? [scratch["mount"]] : [] });
        VisibleMount[] mounts = [new([], "ext4"), new(KernelPath.FromText(scratch["mount"]), type)];
        Assert.Equal(isNamed ? work : null, scope.WorkingDirectoryOnFuse(mounts));
    }
}
