using System.Text;
using Floe.Agent.Preflight;
using Floe.Agent.Tasks;
using Floe.Linux;
using Floe.Linux.Processes;
using Xunit;

namespace Floe.Tests.Tasks;

/// <summary>Needs root, as CRIU does.</summary>
public sealed class RestoredPipesTests
{
    [Fact]
    public async Task GiveTo_PipesOfATree_AreTheUsersAndOtherFilesAreLeft()
    {
        using var nothing = File.OpenHandle("/dev/null");
        var shell = ChildProcess.Start(new ChildProcessOptions
        {
            Path = "/bin/sh"u8.ToArray(),
            Arguments = [.. ((string[])["sh", "-c", "sleep 60 | sleep 60; exit"]).Select(Encoding.UTF8.GetBytes)],
            NewSession = true,
            Descriptors = [(nothing, 0)],
        });
        IReadOnlyList<(int Pid, ProcessStat Stat)> tree = [];
        try
        {
            while ((tree = ProcessTree.Read("/proc", shell.Pid, TestContext.Current.CancellationToken)).Count < 3)
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }

            RestoredPipes.GiveTo(new UserIds(1000, 1001), shell.Pid);
            var (writer, reader) = (tree.Min(p => p.Pid == shell.Pid ? int.MaxValue : p.Pid), tree.Max(p => p.Pid));
            Assert.Equal((1000u, 1001u), Owner($"/proc/{writer}/fd/1"));
            Assert.Equal((1000u, 1001u), Owner($"/proc/{reader}/fd/0"));
            Assert.Equal((0u, 0u), Owner($"/proc/{writer}/fd/0"));
        }
        finally
        {
            foreach (var (pid, _) in tree)
            {
                _ = Interop.kill(pid, Interop.SIGKILL);
            }

            shell.Signal(Interop.SIGKILL);
            await shell.Exited;
        }
    }

    private static unsafe (uint Uid, uint Gid) Owner(string path)
    {
        Interop.StatxBuffer stat;
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            Assert.Equal(0, Interop.statx(Interop.AT_FDCWD, name, 0, Interop.STATX_BASIC_STATS, &stat));
        }

        return (stat.stx_uid, stat.stx_gid);
    }
}
