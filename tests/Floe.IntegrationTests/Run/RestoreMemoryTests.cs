using System.Globalization;
using Xunit;

namespace Floe.IntegrationTests.Run;

public sealed class RestoreMemoryTests
{
    private const int ProcessCount = 50;
    private const int MiBEach = 6;

    /// <summary>CRIU makes the children at a time, and takes each one's memory from a stream of its own.</summary>
    [Fact]
    public async Task Run_TaskOfFiftyProcesses_RestoresInTheMemoryThatOneNeeds()
    {
        // Each child's memory differs from its parent's and its siblings', and none of it can be compressed.
        var task = $$"""
            import hashlib, os, time
            ready, children = os.pipe(), []
            for i in range({{ProcessCount}}):
                child = os.fork()
                if child == 0:
                    data = bytearray(os.urandom({{MiBEach}} << 20))
                    before = hashlib.sha256(data).digest()
                    os.write(ready[1], b'.')
                    while not os.path.exists('/run/go'): time.sleep(0.05)
                    os._exit(0 if hashlib.sha256(data).digest() == before else 1)
                children.append(child)
            count = 0
            while count < {{ProcessCount}}: count += len(os.read(ready[0], 64))
            print('ready', flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.05)
            print(sum(os.waitpid(child, 0)[1] == 0 for child in children), 'whole', flush=True)
            """;
        await using var fleet = new Fleet();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], "/usr/bin/python3", "-c", task);
        await Fleet.UntilPrintedAsync(run, "ready\n");
        await fleet.TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await fleet.MachineAsync("machine-b");
        run = await fleet.RunAsync(b, [], "/usr/bin/python3", "-c", task);
        await Fleet.UntilAsync(run, () => run.Errors.Contains("Restored snapshot", StringComparison.Ordinal), "restored snapshot");
        var status = await Fleet.EndAsync(await b.StartBesideAsync(run, ["/bin/grep", "-E", "VmHWM|VmRSS", "/proc/1/status"], fleet.Environment, Fleet.Token));
        Fleet.Open(b, "/run/go");
        var ended = await Fleet.EndAsync(run);
        Fleet.AssertStatus(0, ended);
        Assert.Equal($"{ProcessCount} whole\n", ended.Text);

        var most = long.Parse(status.Text.Split('\n')[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) >> 10;
        TestContext.Current.SendDiagnosticMessage(status.Text);
        Assert.True(most <= 128, $"the agent needed {most} MiB: {status.Text}");
    }
}
