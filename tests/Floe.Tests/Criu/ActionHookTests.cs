using Floe.Criu.Hook;
using Floe.Testing;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>The hook reads its environment, so these tests change this process's: they must not run side by side.</summary>
[Collection("environment")]
public sealed class ActionHookTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(ActionHook.ActionVariable, null);
        Environment.SetEnvironmentVariable(ActionHook.SocketVariable, null);
        Environment.SetEnvironmentVariable(ActionHook.RootPidVariable, null);
        _folder.Dispose();
    }

    [Fact]
    public void Run_NotStartedByCriu_ReturnsNull() => Assert.Null(ActionHook.RunIfInvoked());

    [Fact]
    public void Run_ActionThatNeedsNoVerdict_SucceedsWithoutAgent()
    {
        Invoke("network-lock", _folder["nobody.sock"]);
        Assert.Equal(0, ActionHook.RunIfInvoked());
    }

    [Fact]
    public void Run_AgentGone_Fails()
    {
        Invoke("post-dump", _folder["nobody.sock"]);
        Assert.Equal(1, ActionHook.RunIfInvoked());
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 1)]
    public async Task Run_AgentAnswers_ExitsAccordingly(bool proceed, int status)
    {
        using var server = new HookServer(_folder.Path);
        Invoke("post-dump", server.Path);
        var hook = Task.Run(ActionHook.RunIfInvoked);
        using var call = await server.NextAsync(CancellationToken.None);
        Assert.Equal(("post-dump", 1234), (call.Action, call.RootPid));
        Assert.True(call.Answer(proceed));
        Assert.Equal(status, await hook);
    }

    [Fact]
    public async Task Run_AgentDiesBeforeItsVerdict_Fails()
    {
        using var server = new HookServer(_folder.Path);
        Invoke("post-dump", server.Path);
        var hook = Task.Run(ActionHook.RunIfInvoked);
        (await server.NextAsync(CancellationToken.None)).Dispose();
        Assert.Equal(1, await hook);
    }

    private static void Invoke(string action, string socket)
    {
        Environment.SetEnvironmentVariable(ActionHook.ActionVariable, action);
        Environment.SetEnvironmentVariable(ActionHook.SocketVariable, socket);
        Environment.SetEnvironmentVariable(ActionHook.RootPidVariable, "1234");
    }
}
