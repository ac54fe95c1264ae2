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
}
