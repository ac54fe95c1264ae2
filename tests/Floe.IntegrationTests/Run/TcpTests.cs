using System.Net;
using System.Net.Sockets;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class TcpTests
{
    /// <summary>The second machine has the address of the first only where it is everybody's.</summary>
    [Theory]
    [InlineData("close", "127.0.0.1")]
    [InlineData("close", "10.98.76.54")]
    [InlineData("close", "::1")]
    [InlineData("established", "127.0.0.1")]
    public async Task Run_ConnectionInsideTheTask_LivesOn(string tcp, string address)
    {
        const string program = """
            import os, socket, sys, time
            where = sys.argv[1]
            listener = socket.create_server((where, 0), family=socket.AF_INET6 if ':' in where else socket.AF_INET)
            if os.fork() == 0:
                server, _ = listener.accept()
                while data := server.recv(100): server.sendall(b'echo ' + data)
                os._exit(0)
            client = socket.create_connection(listener.getsockname()[:2])
            client.sendall(b'one'); print(client.recv(100).decode(), flush=True)
            client.sendall(b'unread'); time.sleep(0.1); print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            print(client.recv(100).decode()); client.sendall(b'two'); print(client.recv(100).decode()); client.close(); os.wait(); print('end')
            """;
        await using var fleet = new Fleet { OwnNetwork = true };
        string[] options = ["--tcp", tcp];
        string[] command = ["/usr/bin/python3", "-c", program, address];
        var a = await fleet.MachineAsync("machine-a");
        if (address.StartsWith("10.", StringComparison.Ordinal))
        {
            Fleet.AssertStatus(0, await fleet.ShellAsync(a, $"ip addr add {address}/32 dev lo"));
        }

        var run = await fleet.RunAsync(a, options, command);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunAsync(b, options, command));
        Fleet.AssertStatus(0, second);
        Assert.Equal("echo unread\necho two\nend\n", second.Text);
    }

    /// <summary>The server of the first has closed its end, and what it said is not read yet.</summary>
    [Fact]
    public async Task Run_ConnectionsInsideAndToTheOutside_OnlyTheLatterAreClosed()
    {
        const string program = """
            import os, socket, sys, time
            listener = socket.create_server(('127.0.0.1', 0))
            ended = socket.create_connection(listener.getsockname())
            server, _ = listener.accept(); server.sendall(b'last words'); server.close()
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept(); server.sendall(b'inside')
            outside = socket.create_connection(('127.0.0.1', int(sys.argv[1]))); outside.sendall(b'first'); print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            print(ended.recv(100), ended.recv(100), client.recv(100))
            try:
                outside.sendall(b'lost'); answer = outside.recv(100)
                print('closed' if answer == b'' else 'unexpected ' + repr(answer))
            except OSError: print('closed')
            """;
        Assert.Equal("b'last words' b'' b'inside'\nclosed\n", await MovedWithAConnectionToOutsideAsync(program));
    }

    [Fact]
    public async Task Run_ConnectionToOutsideClosed_TaskSeesAnErrorAndGoesOn()
    {
        const string program = """
            import os, socket, sys, time
            where = ('127.0.0.1', int(sys.argv[1]))
            client = socket.create_connection(where); client.sendall(b'first'); print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            try:
                client.sendall(b'lost'); answer = client.recv(100)
                print('closed' if answer == b'' else 'unexpected ' + repr(answer))
            except OSError: print('closed')
            client = socket.create_connection(where); client.sendall(b'second'); print('again')
            """;
        Assert.Equal("closed\nagain\n", await MovedWithAConnectionToOutsideAsync(program));
    }

    /// <summary>What a program, which connects to the port that it is given, prints on its second machine.</summary>
    private static async Task<string> MovedWithAConnectionToOutsideAsync(string program)
    {
        await using var fleet = new Fleet();
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        string[] command = ["/usr/bin/python3", "-c", program, ((IPEndPoint)listener.LocalEndpoint).Port.ToString(System.Globalization.CultureInfo.InvariantCulture)];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], command);
        using var first = await listener.AcceptTcpClientAsync(Fleet.Token);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        Fleet.Open(b, "/run/go");
        var second = await Fleet.EndAsync(await fleet.RunAsync(b, [], command));
        Fleet.AssertStatus(0, second);
        return second.Text;
    }
}
