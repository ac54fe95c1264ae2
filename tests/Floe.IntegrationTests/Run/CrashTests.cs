using System.Globalization;
using Floe.Linux;
using Floe.S3;
using Floe.Store;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>SIGKILL at any moment of a snapshot: to the whole machine, or to CRIU alone.</summary>
public sealed class CrashTests
{
    private const int Last = 400;

    /// <summary>Counts into a file; its memory changes all the time. What counts in the end is the file.</summary>
    private const string Program = """
        import os, sys, time
        block = bytearray(os.urandom(4 << 20))
        print('started', flush=True)
        with open('/var/tmp/count', 'a', buffering=1) as log:
            for i in range(int(sys.argv[1])):
                block[(i * 4099) % len(block)] ^= 1
                log.write('%d\n' % i)
                time.sleep(0.01)
        print('end', flush=True)
        """;

    private const string CountingScript =
        "i=0; echo started; until [ -e /run/go ]; do i=$((i + 1)); echo line $i >>/var/tmp/count; sleep 0.01; done; seq 1 $i | sed 's/^/line /' | cmp - /var/tmp/count && echo whole";

    [Fact]
    public async Task Machine_DiesDuringASnapshot_TheNextAttemptGoesOnFromASoundSnapshot()
    {
        var seed = Environment.TickCount;
        var random = new Random(seed);
        await using var fleet = new Fleet();
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-21";
        string[] command = ["/usr/bin/python3", "-c", Program, Last.ToString(CultureInfo.InvariantCulture)];
        const int deaths = 4;
        for (var attempt = 1; ; attempt++)
        {
            fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = attempt.ToString(CultureInfo.InvariantCulture);
            var machine = await fleet.MachineAsync($"machine-{attempt}");
            var run = await fleet.RunAsync(machine, [], command);
            if (attempt == 1)
            {
                await Fleet.UntilPrintedAsync(run, "started\n");
                Fleet.AssertStatus(0, await fleet.SnapshotAsync(machine, run, "--leave-running"));
            }
            else
            {
                await Fleet.UntilLoggedAsync(run, "Restored snapshot");
            }

            if (attempt <= deaths)
            {
                await fleet.StartSnapshotAsync(machine, run, "--leave-running");
                await Task.Delay(random.Next(0, 400), Fleet.Token);
                await machine.DestroyAsync();
                var other = await fleet.MachineAsync("looker-on");
                var verified = await fleet.FloeAsync(other, "verify", "--store", "file:///store");
                Assert.True(verified.Status.Success, $"seed {seed}, attempt {attempt}: {verified.Text}{verified.Errors}");
                await other.DestroyAsync();
                continue;
            }

            Fleet.AssertStatus(0, await Fleet.EndAsync(run));
            Assert.True(
                string.Concat(Enumerable.Range(0, Last).Select(i => $"{i}\n")) == await File.ReadAllTextAsync(machine.RootPath + "/var/tmp/count", Fleet.Token),
                $"seed {seed}");
            return;
        }
    }

    /// <summary>The machine is gone between any two writes of a snapshot: those before have their effect, no later one has.</summary>
    [Fact]
    public async Task Machine_DiesAtEachWriteOfASnapshot_TheNextAttemptGoesOnFromTheNewestThatWasCommitted()
    {
        string[] deaths = ["pack", "index", "manifest", "after"];
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-23";
        await using var objects = s3.Open("floe");
        List<long> newest = [];
        for (var attempt = 0; ; attempt++)
        {
            fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = $"{attempt + 1}";
            var machine = await fleet.MachineAsync($"machine-{attempt}");
            var run = await fleet.RunScriptAsync(machine, CountingScript);
            if (attempt == 0)
            {
                await Fleet.UntilPrintedAsync(run, "started\n");
                Fleet.AssertStatus(0, await fleet.SnapshotAsync(machine, run, "--leave-running"));
            }
            else
            {
                await Fleet.UntilLoggedAsync(run, $"Restored snapshot {newest[^1]} ");
            }

            if (attempt == deaths.Length)
            {
                Fleet.Open(machine, "/run/go");
                var ended = await Fleet.EndAsync(run);
                Fleet.AssertStatus(0, ended);
                Assert.Equal("whole\n", ended.Text);
                break;
            }

            var end = new WorldsEnd(deaths[attempt]);
            s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Stall, int.MaxValue) { Where = end.HasCome });
            await fleet.StartSnapshotAsync(machine, run, "--leave-running");
            await Fleet.UntilAsync(run, () => end.IsThere, deaths[attempt]);
            await machine.DestroyAsync();
            s3.Faults.Clear();
            newest.Add(await NewestAsync(objects));
        }

        Assert.Single(newest[..3].Distinct());
        Assert.True(newest[3] > newest[0]);
    }

    [Fact]
    public async Task Criu_KilledWhileItHoldsTheTask_SnapshotFailsAndTheOneBeforeIsGood()
    {
        await using var fleet = new Fleet();
        fleet.Environment["AWS_BATCH_JOB_ID"] = "job-22";
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "1";
        string[] command = ["/usr/bin/python3", "-c", Program, "100000"];
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], command);
        await Fleet.UntilPrintedAsync(run, "started\n");
        Fleet.AssertStatus(0, await fleet.SnapshotAsync(a, run, "--leave-running"));
        var random = new Random();
        for (var round = 0; round < 6 && !run.HasExited; round++)
        {
            var asked = await fleet.StartSnapshotAsync(a, run, "--leave-running");
            int? criu;
            while ((criu = FindDump(run)) is null && !asked.HasExited)
            {
                await Task.Delay(1, Fleet.Token);
            }

            await Task.Delay(random.Next(0, 200), Fleet.Token);
            if (criu is { } pid && FindDump(run) == pid)
            {
                _ = Interop.kill(pid, Interop.SIGKILL);
            }

            var answer = await Fleet.EndAsync(asked);
            Assert.True(answer.Status.ShellCode is 0 or 175, $"{answer.Status}: {answer.Errors}");
        }

        // A process into which CRIU was just writing may have crashed of its death; the snapshots must outlive that.
        Assert.NotEmpty(fleet.Snapshots());
        await a.DestroyAsync();
        fleet.Environment["AWS_BATCH_JOB_ATTEMPT"] = "2";
        var b = await fleet.MachineAsync("machine-b");
        Fleet.AssertStatus(0, await fleet.FloeAsync(b, "verify", "--store", "file:///store"));
        var second = await fleet.RunAsync(b, [], command);
        await Fleet.UntilLoggedAsync(second, "Restored snapshot");
        var count = await File.ReadAllTextAsync(b.RootPath + "/var/tmp/count", Fleet.Token);
        await Fleet.UntilAsync(second, () => File.ReadAllText(b.RootPath + "/var/tmp/count").Length > count.Length, "progress");
        var lines = (await File.ReadAllTextAsync(b.RootPath + "/var/tmp/count", Fleet.Token)).Split('\n')[..^1];
        Assert.Equal(Enumerable.Range(0, lines.Length).Select(i => i.ToString(CultureInfo.InvariantCulture)), lines);
    }

    /// <summary>
    /// A dump reads what is in a task's connections in a mode in which nobody else can use them, and which is the socket's. With established it is left only
    /// after CRIU has died: a call under way may fail before, and what the task ends with then is not its result.
    /// </summary>
    [Theory]
    [InlineData("close")]
    [InlineData("established")]
    public async Task Criu_KilledWhileItHoldsConnectionsOfTheTask_TheyWorkAgain(string tcp)
    {
        const string program = """
            import os, socket, time
            listener = socket.create_server(('127.0.0.1', 0))
            if os.fork() == 0:
                server, _ = listener.accept()
                while data := server.recv(100): server.sendall(b'echo ' + data)
                os._exit(0)
            client = socket.create_connection(listener.getsockname())
            client.sendall(b'one'); print(client.recv(100).decode(), flush=True)
            while not os.path.exists('/run/go'): time.sleep(0.02)
            client.sendall(b'two'); print(client.recv(100).decode()); client.close(); os.wait(); print('end')
            """;
        await using var s3 = await S3Double.StartAsync();
        await using var fleet = new Fleet { StoreUrl = $"s3://{S3Double.Bucket}/floe" };
        fleet.Reach(s3);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, ["--tcp", tcp], ["/usr/bin/python3", "-c", program]);
        await Fleet.UntilPrintedAsync(run, "echo one\n");
        var end = new WorldsEnd("pack");
        s3.Faults.Add(new S3DoubleFault(S3DoubleFaultKind.Stall, int.MaxValue) { Where = end.HasCome });
        var asked = await fleet.StartSnapshotAsync(a, run, "--leave-running");
        await Fleet.UntilAsync(run, () => end.IsThere, "pack");

        Assert.Equal(0, Interop.kill(FindDump(run)!.Value, Interop.SIGKILL));

        Fleet.AssertStatus(175, await Fleet.EndAsync(asked));
        s3.Faults.Clear();
        Fleet.Open(a, "/run/go");
        var ended = await Fleet.EndAsync(run);
        if (tcp == "established" && ended.Status.ShellCode == 175)
        {
            return;
        }

        Fleet.AssertStatus(0, ended);
        Assert.Equal("echo one\necho two\nend\n", ended.Text);
    }

    /// <summary>Sequence number of the newest snapshot, when all of them are sound.</summary>
    private static async Task<long> NewestAsync(IObjectStore objects)
    {
        var store = await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), false, Fleet.Token);
        Assert.True(TaskKey.TryParse(Fleet.Key, out var key, out _));
        Assert.True((await store.VerifyAsync(key, null, Fleet.Token)).IsSound);
        return (await store.ListSnapshotsAsync(key, Fleet.Token))[0].Seq;
    }

    /// <summary>The `criu dump` in the pid namespace of a run, by the host's number.</summary>
    private static int? FindDump(MachineProcess run)
    {
        var own = new FileInfo($"/proc/{run.HostPid}/ns/pid").LinkTarget;
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), out var pid))
            {
                continue;
            }

            try
            {
                var words = File.ReadAllText($"{folder}/cmdline").Split('\0');
                if (words.Contains("dump") && words.Contains("--stream") && new FileInfo($"{folder}/ns/pid").LinkTarget == own)
                {
                    return pid;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It ended meanwhile.
            }
        }

        return null;
    }

    /// <summary>From a call of a snapshot on nothing is answered any more.</summary>
    private sealed class WorldsEnd(string at)
    {
        private bool _isCommitted;

        public volatile bool IsThere;

        public bool HasCome(S3DoubleCall call)
        {
            var write = call.Method != "PUT" ? "" : call.Key.Contains("/packs/", StringComparison.Ordinal) ? "pack"
                : !call.Key.Contains("/snapshots/", StringComparison.Ordinal) ? "" : call.Key.EndsWith(".index", StringComparison.Ordinal) ? "index" : "manifest";
            IsThere |= _isCommitted || write == at;
            _isCommitted |= write == "manifest" && at == "after";
            return IsThere;
        }
    }
}
