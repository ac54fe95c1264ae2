using System.Globalization;
using Floe.IntegrationTests.Workloads;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>Whole tasks of real programs under reclaims at bad moments; what they leave is what an undisturbed task leaves.</summary>
public sealed class ReclaimStoryTests
{
    private static readonly Lazy<Random> s_random = new(() =>
    {
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        TestContext.Current.TestOutputHelper?.WriteLine($"FLOE_TEST_SEED={seed}");
        return new Random(seed);
    });

    /// <summary>Program, with statistics, reclaims.</summary>
    public static TheoryData<string, bool, int> Stories => new()
    {
        { "bwa-samtools", true, 1 },
        { "java", false, 2 },
        { "python-multiprocessing", true, 4 },
    };

    [Theory]
    [MemberData(nameof(Stories))]
    public async Task Task_ReclaimedAtRandomMoments_LeavesWhatAnUndisturbedOneLeaves(string program, bool trace, int reclaims)
    {
        await using var server = await RadosGateway.StartAsync(BatchJob.Token);
        var expected = await UndisturbedAsync(server, program, trace);
        await using var job = new BatchJob(server.Endpoint, server.Keys, RealS3Server.Bucket);
        await job.SubmitAsync(Script(program), trace, Inputs);
        var moments = Enumerable.Range(0, reclaims).Select(_ => TimeSpan.FromSeconds(0.3 + (s_random.Value.NextDouble() * 3 / reclaims))).ToList();
        var ended = await job.RunAsync([.. moments.Select(moment => (Func<BatchAttempt, Task>)(async attempt =>
        {
            await attempt.UntilLoggedAsync(job.Attempts == 1 ? "task " : "Restored snapshot");
            await Task.Delay(moment, BatchJob.Token);
        }))]);
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(job.Attempts > 1, "the task was done before its first reclaim");
        Assert.Equal(expected, await ResultsAsync(job));
        Assert.DoesNotContain(await job.OwnAsync(), name => name.StartsWith(".floe/tasks/", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("staging")]
    [InlineData("unstaging")]
    [InlineData("last second")]
    [InlineData("upload")]
    public async Task Task_ReclaimedWhile_LeavesWhatAnUndisturbedOneLeaves(string moment)
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        job.Environment["STAGE_SECONDS"] = moment == "staging" ? "2" : "0";
        job.Environment["UNSTAGE_SECONDS"] = moment == "unstaging" ? "6" : "0";
        // 40 MB that do not repeat, written slowly enough that parts go up meanwhile.
        await job.SubmitAsync("mkdir out; echo begun; for i in 1 2 3 4 5; do seq ${i}000000 $((i * 1000000 + 999999)); sleep 0.3; done > out/big; while [ -e /run/gated ]; do sleep 0.05; done; md5sum < out/big; echo done", false, Inputs);
        // It must not be done before the notice is seen.
        job.Prepare = machine =>
        {
            if (moment != "unstaging" && job.Attempts == 1)
            {
                File.WriteAllText($"{machine.RootPath}/run/gated", "");
            }
        };
        var first = await job.StartAsync();
        await (moment switch
        {
            "staging" => job.UntilAsync(first, () => Task.FromResult(server.KeysBelow(job.Work).Any(k => k.EndsWith("/.command.begin", StringComparison.Ordinal))), "begin"),
            "unstaging" => first.UntilPrintedAsync("done\n"),
            "upload" => job.UntilAsync(first, () => Task.FromResult(server.OpenUploadCount > 0), "upload"),
            _ => first.UntilPrintedAsync("begun\n"),
        });
        if (moment == "last second")
        {
            // Far less than the notice should be; it is enough for a small task.
            first.GiveNotice(TimeSpan.FromSeconds(6));
            await first.UntilAsync(() => first.Process.Errors.Contains("waiting for the machine to end", StringComparison.Ordinal), "snapshot");
            await first.Machine.DestroyAsync();
        }
        else
        {
            Assert.True(await first.ReclaimAsync(), "the task was done before its machine was taken");
        }

        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal("0", await job.TextAsync(".exitcode"));
        var big = string.Concat(Enumerable.Range(1_000_000, 5_000_000).Select(i => $"{i}\n"));
        Assert.Equal(big, await job.TextAsync("out/big"));
        Assert.Equal(big, await job.TextAsync("results/big"));
        Assert.Equal(3, (await job.TextAsync(".command.log")).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(0, server.OpenUploadCount);
    }

    /// <summary>The machine dies while the snapshot is being sent: at a random one of its bytes.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Task_SnapshotCutOff_GoesOnFromTheOneBeforeOrStartsAgain(bool hasOneBefore)
    {
        await using var server = await S3Double.StartAsync();
        await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
        job.Environment["FLOE_LEASE_WAIT"] = "1";
        // 80 MB that do not compress, so that there is a while to cut it off in.
        const string Script = "head -c 40000000 /dev/urandom > /dev/shm/ballast; perl -e '$|=1; open F, \"/dev/shm/ballast\"; read F, $x, 40000000; print \"ready\\n\"; for (1..30) { print \"$_\\n\"; select undef,undef,undef,0.02 } until (-e \"/run/open\") { select undef,undef,undef,0.02 } print length($x), \"\\n\"'; echo done";
        await job.SubmitAsync(Script, false);
        job.Prepare = machine =>
        {
            if (job.Attempts == (hasOneBefore ? 3 : 2))
            {
                File.WriteAllText($"{machine.RootPath}/run/open", "");
            }
        };
        if (hasOneBefore)
        {
            var zeroth = await job.StartAsync();
            await zeroth.UntilPrintedAsync("ready\n");
            Assert.True(await zeroth.ReclaimAsync());
        }

        var first = await job.StartAsync();
        await (hasOneBefore ? first.UntilLoggedAsync("Restored snapshot") : first.UntilPrintedAsync("ready\n"));
        var received = server.BytesReceived;
        var cut = s_random.Value.Next(1, hasOneBefore ? 200_000 : 30_000_000);
        first.GiveNotice(TimeSpan.FromSeconds(120));
        await first.UntilAsync(() => server.BytesReceived - received >= cut || first.Process.Errors.Contains("waiting for the machine", StringComparison.Ordinal), "bytes");
        await first.Machine.DestroyAsync();
        var ended = await (await job.StartAsync()).EndAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        Assert.Equal("ready\n" + string.Concat(Enumerable.Range(1, 30).Select(i => $"{i}\n")) + "40000000\ndone\n", await job.TextAsync(".command.out"));
        Assert.Equal(await job.TextAsync(".command.out"), await job.TextAsync(".command.log"));
        Assert.Equal("0", await job.TextAsync(".exitcode"));
    }

    /// <summary>No line twice, none missing, however often the machine is taken. The full count runs in a target of its own.</summary>
    [Fact]
    public async Task Task_ReclaimedAgainAndAgain_EveryLogIsWhole()
    {
        var reclaims = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_RECLAIMS"), CultureInfo.InvariantCulture, out var given) ? given : 5;
        await using var server = await S3Double.StartAsync();
        for (var left = reclaims; left > 0;)
        {
            await using var job = new BatchJob(server.Endpoint, server.Keys, S3Double.Bucket);
            var lines = 400;
            await job.SubmitAsync($"for i in $(seq 1 {lines}); do echo \"out $i\"; echo \"err $i\" >&2; echo \"$i\" >> numbers; x=$(printf 'x%.0s' $(seq $((i % 50)))); echo $x; sleep 0.02; done", s_random.Value.Next(2) == 0);
            var moments = new List<Func<BatchAttempt, Task>>();
            for (var i = 0; i < Math.Min(left, 5); i++)
            {
                moments.Add(async attempt =>
                {
                    await attempt.UntilLoggedAsync(job.Attempts == 1 ? "task " : "Restored snapshot");
                    await Task.Delay(s_random.Value.Next(100, 1500), BatchJob.Token);
                });
            }

            left -= moments.Count;
            var ended = await job.RunAsync(moments);
            Assert.True(ended.Status.ShellCode == 0, ended.Errors);
            var stdout = string.Concat(Enumerable.Range(1, lines).Select(i => $"out {i}\n{new string('x', Math.Max(1, i % 50))}\n"));
            Assert.Equal(stdout, await job.TextAsync(".command.out"));
            Assert.Equal(string.Concat(Enumerable.Range(1, lines).Select(i => $"err {i}\n")), await job.TextAsync(".command.err"));
            Assert.Equal(string.Concat(Enumerable.Range(1, lines).Select(i => $"{i}\n")), await job.TextAsync("numbers"));
            var log = (await job.TextAsync(".command.log")).Split('\n');
            Assert.Equal(stdout, string.Concat(log.Where(l => l.Length > 0 && !l.StartsWith("err", StringComparison.Ordinal)).Select(l => l + "\n")));
            Assert.Equal((3 * lines) + 1, log.Length);
        }
    }

    private static IReadOnlyList<string> Inputs => ["/etc/hostname", "/etc/passwd"];

    private static string Script(string program) => $"{Workload.Folder}/{program} out";

    private static async Task<SortedDictionary<string, string>> UndisturbedAsync(RealS3Server server, string program, bool trace)
    {
        await using var job = new BatchJob(server.Endpoint, server.Keys, RealS3Server.Bucket);
        await job.SubmitAsync(Script(program), trace, Inputs);
        var ended = await job.RunAsync();
        Assert.True(ended.Status.ShellCode == 0, ended.Errors);
        return await ResultsAsync(job);
    }

    /// <summary>Without what differs from run to run by itself: the wrapper holds the folder's name, statistics hold times.</summary>
    private static async Task<SortedDictionary<string, string>> ResultsAsync(BatchJob job)
    {
        var outputs = await job.OutputsAsync();
        foreach (var name in (string[])[".command.run", ".command.trace", ".command.trace.mem"])
        {
            outputs.Remove(name);
        }

        return outputs;
    }
}
