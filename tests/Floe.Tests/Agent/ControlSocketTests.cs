using Floe.Agent;
using Floe.Agent.Control;
using Floe.Linux;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Floe.Tests.Agent;

public sealed class ControlSocketTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("floe-control-").FullName;

    private async Task<ControlReply> AskAsync(ControlRequest request, Action<CaptureProgress> onProgress, CancellationToken cancellationToken)
    {
        using var client = await ControlClient.ConnectAsync(Socket, cancellationToken);
        return await client.AskAsync(request, onProgress, cancellationToken);
    }

    private string Socket => Path.Combine(_folder, "control.sock");

    [Fact]
    public async Task DisposeAsync_AskerStillThere_WaitsUntilItIsGone()
    {
        var server = new ControlServer(Socket, (_, reply, _) => reply(new ControlReply { Event = "done", Snapshot = Report(1) }), NullLogger.Instance);
        var asker = await ControlClient.ConnectAsync(Socket, default);
        await asker.AskAsync(new ControlRequest { Verb = "snapshot" }, static _ => { }, default);
        var ending = server.DisposeAsync().AsTask();
        Assert.False(ending.IsCompleted);
        asker.Dispose();
        await ending;
    }

    [Fact]
    public async Task AskAsync_HandlerReportsAndFinishes_SeesProgressAndResult()
    {
        await using var server = new ControlServer(Socket, async (request, reply, _) =>
        {
            Assert.True(request.LeaveRunning);
            await reply(new ControlReply { Event = "progress", Progress = new CaptureProgress("capturing", 1, 2, 3, 4, 5) });
            await reply(new ControlReply { Event = "done", Snapshot = Report(17) });
        }, NullLogger.Instance);

        var seen = new List<CaptureProgress>();
        var answer = await AskAsync(new ControlRequest { Verb = "snapshot", LeaveRunning = true }, seen.Add, default);

        Assert.Equal([new CaptureProgress("capturing", 1, 2, 3, 4, 5)], seen);
        Assert.Equal(17, answer.Snapshot!.Sequence);
    }

    [Fact]
    public async Task AskAsync_HandlerRefuses_ThrowsItsReason()
    {
        await using var server = new ControlServer(Socket, (_, _, _) => throw new FloeException(ExitCodes.SnapshotFailed, "no"), NullLogger.Instance);
        var e = await Assert.ThrowsAsync<FloeException>(() => AskAsync(new ControlRequest { Verb = "snapshot" }, static _ => { }, default));
        Assert.Equal("no", e.Message);
    }

    /// <summary>As an agent answers another user: before it has heard anything, and it hangs up.</summary>
    [Fact]
    public async Task AskAsync_RefusedBeforeItAsked_ThrowsTheReason()
    {
        using var listener = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        listener.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Socket));
        listener.Listen(1);
        using var client = await ControlClient.ConnectAsync(Socket, default);
        using (var connection = await listener.AcceptAsync())
        {
            await connection.SendAsync("{\"event\":\"error\",\"message\":\"not you\"}\n"u8.ToArray());
        }

        var e = await Assert.ThrowsAsync<FloeException>(() => client.AskAsync(new ControlRequest { Verb = "snapshot" }, static _ => { }, default));
        Assert.Equal(("not you", ExitCodes.SnapshotFailed), (e.Message, e.ExitCode));
    }

    [Fact]
    public async Task DisposeAsync_ReplyUnderWay_LetsItArrive()
    {
        var entered = new TaskCompletionSource();
        var server = new ControlServer(Socket, async (_, reply, _) =>
        {
            entered.SetResult();
            await Task.Delay(200, CancellationToken.None);
            await reply(new ControlReply { Event = "done", Snapshot = Report(1) });
        }, NullLogger.Instance);
        var asking = AskAsync(new ControlRequest { Verb = "snapshot" }, static _ => { }, default);
        await entered.Task;
        await server.DisposeAsync();
        Assert.Equal(1, (await asking).Snapshot!.Sequence);
    }

    /// <summary>Connections that ask nothing, as of a `floe top` that was stopped with Ctrl-Z.</summary>
    [Fact]
    public async Task DisposeAsync_EverySlotTakenByAnIdleConnection_Ends()
    {
        var server = new ControlServer(Socket, (_, reply, _) => reply(new ControlReply { Event = "done" }), NullLogger.Instance);
        var idle = new List<ControlClient>();
        for (var i = 0; i < 17; i++)
        {
            idle.Add(await ControlClient.ConnectAsync(Socket, default));
        }

        await server.DisposeAsync();
        idle.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task AskAsync_DescriptorsHadRunOut_IsAnsweredWhenThereAreSomeAgain()
    {
        var accepts = 0;
        await using var server = new ControlServer(Socket, (_, reply, _) => reply(new ControlReply { Event = "done", Snapshot = Report(1) }), NullLogger.Instance, null, (listener, token) =>
            accepts++ < 2 ? throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.TooManyOpenSockets) : listener.AcceptAsync(token));
        var answer = await AskAsync(new ControlRequest { Verb = "snapshot" }, static _ => { }, default).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Equal(1, answer.Snapshot!.Sequence);
        Assert.True(accepts > 2);
    }

    [Theory]
    [InlineData("nonsense\n")]
    [InlineData("{\"verb\":5}\n")]
    public async Task Serve_NoRequest_AnswersWithAnError(string text)
    {
        await using var server = new ControlServer(Socket, (_, _, _) => throw new InvalidOperationException("must not be reached"), NullLogger.Instance);
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(Socket));
        await using var stream = new System.Net.Sockets.NetworkStream(socket);
        await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text));
        using var reader = new StreamReader(stream);
        Assert.Contains("\"error\"", await reader.ReadToEndAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Find_NoneOrSeveral_SaysWhatToDo()
    {
        var parent = Path.Combine(_folder, "agents");
        Assert.Contains("floe run", Assert.Throws<FloeException>(() => ControlClient.Find([parent], null)).Message, StringComparison.Ordinal);
        var a = AgentDirectory.Create(parent, new AgentRecord("a", "file:///s", "here"));
        var b = AgentDirectory.Create(parent, new AgentRecord("b", "file:///s", "here"));
        await using var first = Listen(a);
        await using var second = Listen(b);
        Assert.Contains("--key", Assert.Throws<FloeException>(() => ControlClient.Find([parent], null)).Message, StringComparison.Ordinal);
        Assert.Equal(a.ControlSocket, ControlClient.Find([parent], "a"));
    }

    [Fact]
    public async Task Find_OthersWereKilledOrWait_IsTheOneThatListens()
    {
        var record = new AgentRecord("a", "file:///s", "here");
        LeaveDead(AgentDirectory.Create(_folder, record with { Key = "b" }));
        LeaveDead(AgentDirectory.Create(_folder, record));
        AgentDirectory.Create(_folder, record);
        var living = AgentDirectory.Create(_folder, record);
        await using var server = Listen(living);
        Assert.Equal(living.ControlSocket, ControlClient.Find([_folder], null));
        Assert.Equal(living.ControlSocket, ControlClient.Find([_folder], "a"));
    }

    [Fact]
    public async Task RemoveLeftBehind_KilledWaitingAndLiving_OnlyTheKilledOneOfThisTaskGoes()
    {
        var record = new AgentRecord("a", "file:///s", "here");
        var (own, killed, waits, lives, other) = (
            AgentDirectory.Create(_folder, record), AgentDirectory.Create(_folder, record), AgentDirectory.Create(_folder, record),
            AgentDirectory.Create(_folder, record), AgentDirectory.Create(_folder, record with { Key = "b" }));
        LeaveDead(killed);
        LeaveDead(other);
        await using var server = Listen(lives);

        own.RemoveLeftBehind(record);

        Assert.Equal(
            new[] { own, waits, lives, other }.Select(d => d.Root).Order(StringComparer.Ordinal),
            Directory.GetDirectories(_folder).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void RequireOwn_FolderOfThisUserAlone_IsTaken() => AgentDirectory.RequireOwn(Own("mine"), Interop.geteuid());

    /// <summary>A name in /tmp that somebody else took first.</summary>
    [Fact]
    public void RequireOwn_AnothersOrALinkOrOpenToAll_IsRefused()
    {
        var own = Own("mine");
        Assert.Throws<IOException>(() => AgentDirectory.RequireOwn(own, Interop.geteuid() + 1));

        var link = Path.Combine(_folder, "link");
        File.CreateSymbolicLink(link, own);
        Assert.Throws<IOException>(() => AgentDirectory.RequireOwn(link, Interop.geteuid()));

        File.SetUnixFileMode(own, File.GetUnixFileMode(own) | UnixFileMode.OtherWrite);
        Assert.Throws<IOException>(() => AgentDirectory.RequireOwn(own, Interop.geteuid()));
    }

    [Fact]
    public void List_FolderInTemporaryIsOpenToOthers_HasNone()
    {
        var own = Own("mine");
        var agent = AgentDirectory.Create(Path.Combine(own, "floe"), new AgentRecord("a", "file:///s", "here"));
        Assert.Equal(agent.ControlSocket, Assert.Single(AgentDirectory.List(Path.Combine(own, "floe"), own)).ControlSocket);

        File.SetUnixFileMode(own, File.GetUnixFileMode(own) | UnixFileMode.OtherWrite);
        Assert.Empty(AgentDirectory.List(Path.Combine(own, "floe"), own));
        Assert.Single(AgentDirectory.List(Path.Combine(own, "floe"), _folder));
    }

    private string Own(string name) =>
        Directory.CreateDirectory(Path.Combine(_folder, name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;

    private static ControlServer Listen(AgentDirectory directory) =>
        new(directory.ControlSocket, (_, reply, _) => reply(new ControlReply { Event = "done" }), NullLogger.Instance);

    /// <summary>A socket file whose listener is gone, as SIGKILL leaves it.</summary>
    private static void LeaveDead(AgentDirectory directory)
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        var name = directory.ControlSocket + ".bound";
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(name));

        // .NET removes a listener's file with the listener, but only under the name that it was made with.
        File.Move(name, directory.ControlSocket);
    }

    public void Dispose() => Directory.Delete(_folder, true);

    private static SnapshotReport Report(long sequence) => new()
    {
        Key = "k", Sequence = sequence, TaskRuns = true, Processes = 1, ReadBytes = 1, ZeroBytes = 0, NewBytes = 1, SentBytes = 1, FrozenMillis = 1, TotalMillis = 1,
    };
}
