using Floe.Agent.Files;
using Floe.Agent.Run;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class OwnOutputTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("floe-output");
    private readonly string _file;

    public OwnOutputTests()
    {
        _file = Path.Combine(_folder.FullName, "slurm-17.out");
        File.WriteAllText(_file, "");
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Files_RegularFile_IsNamed()
    {
        Link("1", _file);
        Link("2", "pipe:[4711]");
        Assert.Equal([_file], OwnOutput.Files(_folder.FullName));
    }

    [Fact]
    public void Files_RemovedFile_IsNot()
    {
        Link("1", _file + " (deleted)");
        Assert.Empty(OwnOutput.Files(_folder.FullName));
    }

    [Fact]
    public void Files_ClosedDescriptors_AreNone() => Assert.Empty(OwnOutput.Files(_folder.FullName));

    [Fact]
    public void Files_AsAgentPaths_AreOutOfTheTasksScope()
    {
        Link("1", _file);
        var scope = FileScope.Create(new FileScopeOptions
        {
            Mode = FileScopeMode.Work,
            WorkingDirectory = _folder.FullName,
            AgentPaths = [.. OwnOutput.Files(_folder.FullName)],
        }).Resolve();
        Assert.False(scope.Contains(KernelPath.FromText(_file), out _, out _));
        Assert.True(scope.Contains(KernelPath.FromText(_file + "2"), out _, out _));
    }

    private void Link(string descriptor, string target) => File.CreateSymbolicLink(Path.Combine(_folder.FullName, descriptor), target);
}
