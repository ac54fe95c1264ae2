using Floe.Agent.Control;
using Floe.Linux.Processes;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Cli;

/// <summary>floe top on a pseudo-terminal, against an agent's control socket.</summary>
public sealed class TopOnTerminalTests : IDisposable
{
    private const int Columns = 48;
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Top_OnATerminal_DrawsOverItsLinesUntilTheAgentIsGone()
    {
        var asked = 0;
        var enough = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var directory = AgentDirectory.Create(_folder.Path, new AgentRecord("job-17", "file:///s", "here"));
        ChildProcess top;
        await using (new ControlServer(directory.ControlSocket, (_, reply, _) =>
        {
            var n = Interlocked.Increment(ref asked);
            if (n == 4)
            {
                enough.TrySetResult();
            }

            return reply(new ControlReply
            {
                Event = "done",
                Status = new AgentStatus { Key = "job-17", Store = "s3://a-bucket-with-a-long-name/and-a-long-prefix/so-that-it-is-cut", State = "running", TaskPid = 1000, RestoredFrom = 0, Snapshots = 2, Processes = n },
            });
        }, NullLogger.Instance))
        {
            top = FloeTerminal.Start("top --interval 0.2", _folder["screen"], Columns, ("FLOE_STATE_DIR", _folder.Path));
            await Task.WhenAny(enough.Task, top.Exited);
        }

        var status = await top.Exited;
        var screen = await File.ReadAllTextAsync(_folder["screen"]);
        Assert.True(status.ShellCode == 0 && enough.Task.IsCompleted, screen);
        Assert.Contains("1 processes", screen, StringComparison.Ordinal);
        Assert.Contains("3 processes", screen, StringComparison.Ordinal);
        Assert.True(screen.Split("\e[8A").Length >= 3, screen);
        Assert.EndsWith("'floe report' tells its history", screen.TrimEnd(), StringComparison.Ordinal);
        Assert.All(screen.Split("the task is gone")[0].Split('\n').Select(l => l.Replace("\e[8A", "", StringComparison.Ordinal).Replace("\e[K", "", StringComparison.Ordinal).TrimEnd('\r')), l => Assert.InRange(l.Length, 0, Columns - 1));
    }

    public void Dispose() => _folder.Dispose();
}
