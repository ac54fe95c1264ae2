using Floe.Agent.Control;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Operations.Tests.Cli;

public sealed class TopCommandTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    [Fact]
    public async Task Top_Agent_PrintsItsStatus()
    {
        var directory = AgentDirectory.Create(_folder.Path, new AgentRecord("job-17", "file:///s", "here"));
        await using var server = new ControlServer(directory.ControlSocket, static (request, reply, _) => reply(new ControlReply
        {
            Event = "done",
            Status = new AgentStatus { Key = "job-17", Store = "file:///s", State = request.Verb == "status" ? "running" : "?", TaskPid = 1000, RestoredFrom = 0, Snapshots = 2, Processes = 4 },
        }), NullLogger.Instance);

        (string, string)[] variables = [("FLOE_STATE_DIR", _folder.Path)];
        var said = await FloeProgram.RunAsync(["top"], variables);
        Assert.Equal((0, ""), (said.Status, said.Error));
        Assert.Contains("4 processes", said.Out, StringComparison.Ordinal);
        Assert.Equal("running", (await FloeProgram.RunAsync(["top", "--json"], variables)).Json.GetProperty("state").GetString());
    }

    [Fact]
    public async Task Top_NoAgent_IsOneClearLine()
    {
        var said = await FloeProgram.RunAsync(["top"], [("FLOE_STATE_DIR", _folder.Path)]);
        Assert.Equal(2, said.Status);
        Assert.Contains("no agent runs here", said.Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();
}
