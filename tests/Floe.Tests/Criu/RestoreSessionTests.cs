using Floe.Agent.Snapshots;
using Floe.Criu;
using Floe.Criu.Errors;
using Floe.Criu.Restore;
using Floe.Criu.Streaming;
using Floe.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Criu;

/// <summary>With a script in CRIU's place.</summary>
public sealed class RestoreSessionTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>One process of the tree fails, and CRIU kills the others; one of them is just asking for an image.</summary>
    [Theory]
    [InlineData("Error (criu/files-reg.c:2175): File tmp/o has bad size 6 (expect 0)", "not the one it had", RestoreFault.Target)]
    [InlineData("Error (criu/x.c:1): something new", "something new", RestoreFault.Unexplained)]
    [InlineData("", "broke off inside a request", RestoreFault.Unexplained)]
    public async Task RunAsync_CriuFailsAndBreaksOffInsideARequest_TellsWhatCriuSays(string said, string message, object fault)
    {
        var program = _folder["criu"];
        File.WriteAllText(program, $"""
            #!/bin/sh
            [ "$1" = --version ] && echo "Version: 4.2" && exit 0
            echo "{said}" > restore.log
            while [ -e {StreamListener.ServeSocket} ]; do sleep 0.01; done
            exit 1
            """);
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        var criu = await CriuInstallation.AtAsync(program, TestContext.Current.CancellationToken);
        var work = _folder.Folder("w");
        var request = new RestoreRequest { WorkDirectory = work, HookProgram = "/bin/true" };
        var source = new MemorySource();
        source.Small["core-7.img"] = [1];
        var restore = RestoreSession.RunAsync(TimeProvider.System, NullLogger.Instance, criu, request, source, TestContext.Current.CancellationToken);
        using (var process = new CriuSimulator(Path.Combine(work, StreamListener.ServeSocket)))
        {
            process.SendRequest("core-7.img");
            Assert.True(process.AwaitReply(andRead: true));
        }

        var error = await Assert.ThrowsAsync<CriuException>(() => restore);
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(fault, RestoreFaults.Of(error));
    }
}
