using System.Diagnostics;
using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>This process is the agent, a child of it the task. Takes 1 s.</summary>
public sealed class WrittenFilesTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();

    public void Dispose() => _scratch.Dispose();

    /// <summary>What is put back may be another's.</summary>
    [Fact]
    public async Task Contains_FilesOfTheTaskAndOfThisProcess_OnlyTheTasks()
    {
        using var written = Watch(1000);
        await File.WriteAllTextAsync(_scratch["own"], "x", TestContext.Current.CancellationToken);
        await TaskAsync("echo x >task");
        Assert.True(Contains(written, "task"));
        Assert.False(Contains(written, "own"));
    }

    [Fact]
    public async Task Count_TaskMakesAndRemovesManyFiles_StaysSmallAndKeepsThoseThatAreThere()
    {
        using var written = Watch(100);
        await TaskAsync("for i in 1 2 3 4 5 6 7 8 9; do echo x >kept-$i; done; for i in $(seq 1000); do echo x >gone-$i; done; rm gone-*");
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; written.Count > 120; i++)
        {
            Assert.True(Stopwatch.GetElapsedTime(began) < TimeSpan.FromSeconds(20), $"{written.Count} files");

            // Each wakes the reader.
            await TaskAsync($"echo x >more-{i}; rm more-{i}");
        }

        for (var i = 1; i < 10; i++)
        {
            Assert.True(Contains(written, $"kept-{i}"), $"kept-{i}");
        }
    }

    private WrittenFiles Watch(int minReview)
    {
        var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _scratch.Path, Exclude = ["/tmp", "/dev/shm"] });
        var written = WrittenFiles.TryWatch(scope, minReview);
        Assert.SkipWhen(written is null, "this file system does not tell who writes");
        return written!;
    }

    private bool Contains(WrittenFiles written, string name) => written.Contains(Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(_scratch[name])));

    private async Task TaskAsync(string script)
    {
        var shell = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/bin/sh"u8.ToArray(),
            Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), Encoding.UTF8.GetBytes(script)],
            WorkingDirectory = Encoding.UTF8.GetBytes(_scratch.Path),
        });
        Assert.True((await shell.Exited).Success);
    }
}
