using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Floe.IntegrationTests.Workloads;
using Floe.Testing.Machines;
using Xunit;
using static Floe.IntegrationTests.FileSystem.MountedFleet;

namespace Floe.IntegrationTests.FileSystem;

/// <summary>Workloads of the main job with their working directory and outputs on the mount, frozen at a random moment and thawed on another machine.</summary>
public sealed class MovedWorkloadTests
{
    /// <summary>
    /// All but the one of another user with FLOE_SOAK set (make soak-filesystem), else three.
    /// </summary>
    public static TheoryData<string> Names => Environment.GetEnvironmentVariable("FLOE_SOAK") is null
        ? ["shell-pipelines", "open-files", "file-locks"]
        : [.. Workload.All.Where(w => w.Name != "other-user").Select(w => w.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Run_OnTheMountFrozenAndThawed_BucketHasWhatAnUndisturbedRunGives(string name)
    {
        var workload = Workload.All.Single(w => w.Name == name);
        var expected = await Baselines.GetAsync(workload);
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var moment = TimeSpan.FromSeconds(0.5 + (3 * new Random(seed).NextDouble()));
        TestContext.Current.TestOutputHelper?.WriteLine($"{name}: frozen after {moment.TotalSeconds:F2} s (FLOE_TEST_SEED={seed})");
        await using var fleet = await StartAsync();
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunAsync(a, [], [.. workload.Command]);
        await UntilAsync(run, () => fleet.Server.KeysBelow(Prefix + "out/").Count > 0, "output folder");
        await Task.Delay(moment, Token);
        var before = await fleet.TakeAwayAsync(a, run);
        var b = await fleet.MachineAsync("machine-b");
        var ended = await EndAsync(await fleet.RunAsync(b, [], [.. workload.Command]));
        Assert.True(ended.Status.Success, $"{ended.Status}: {ended.Errors}");
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        // To a bucket holes are zeros: st_blocks counts them (open-files says whether it does).
        var stdout = Encoding.Latin1.GetString(expected.Stdout).Replace("\nsparse True ", "\nsparse False ", StringComparison.Ordinal);
        Assert.Equal(stdout, Encoding.Latin1.GetString([.. before.Output, .. ended.Output]));
        AssertOutputs(fleet, expected);
        Assert.Equal(0, fleet.Server.OpenUploadCount);
    }

    /// <summary>What takes the alignments takes none until the task has moved, so the aligner stops in the middle of its reads. Twelve seconds.</summary>
    [Fact]
    public async Task Run_InputsOfTheBucketFrozenWhileTheyAreRead_OutputIsThatOfLocalFiles()
    {
        const string index = "/usr/bin/bwa index ref.fa 2>/dev/null";
        const string align = "/usr/bin/bwa mem -t 2 -K 200000 -v 1 ref.fa reads.fq 2>/dev/null";
        const string script = $$"""
            set -e -o pipefail; exec 3>&1; {{index}}
            {{align}} | awk 'NR == 3000 { system("echo half >&3"); while (system("test -e /var/tmp/go")) system("sleep 0.05") } !/^@PG/' > out.sam
            """;
        var (reference, reads) = Genome(bases: 300_000, reads: 60_000);
        await using var fleet = await StartAsync();
        fleet.Server.Write(Prefix + "ref.fa", reference);
        fleet.Server.Write(Prefix + "reads.fq", reads);
        string[] options = ["--cache-size", "12M"];
        Assert.True(reads.Length > 12 << 20);
        var a = await fleet.MachineAsync("machine-a");
        var run = await fleet.RunScriptAsync(a, script, options);
        await UntilPrintedAsync(run, "half");
        await fleet.TakeAwayAsync(a, run);
        Assert.InRange(ReadUpTo(fleet, "reads.fq"), 1, reads.Length - (2 << 20));

        var b = await fleet.MachineAsync("machine-b");
        Open(b, "/var/tmp/go");
        var ended = await EndAsync(await fleet.RunScriptAsync(b, script, options));
        Assert.True(ended.Status.Success, $"{ended.Status}: {ended.Errors}");
        Assert.True(ended.Errors.Contains("Restored snapshot", StringComparison.Ordinal), ended.Errors);
        Assert.Equal(reads.Length - 1, ReadUpTo(fleet, "reads.fq"));
        Directory.CreateDirectory(b.RootPath + "/var/tmp/local");
        await File.WriteAllBytesAsync(b.RootPath + "/var/tmp/local/ref.fa", reference, Token);
        await File.WriteAllBytesAsync(b.RootPath + "/var/tmp/local/reads.fq", reads, Token);
        var local = await b.RunAsync(["/bin/bash", "-c", $"cd /var/tmp/local; {index}; {align} | grep -v ^@PG | sha256sum"], new Dictionary<string, string>(), Token);
        Assert.Equal(local.Text[..64], Convert.ToHexStringLower(SHA256.HashData(fleet.Object("out.sam")!)));
    }

    /// <summary>The last byte of an object that was asked for.</summary>
    private static long ReadUpTo(MountedFleet fleet, string name) => fleet.Server.Calls
        .Where(c => c.Method == "GET" && c.Key == Prefix + name && c.Headers.ContainsKey("Range"))
        .Max(c => long.Parse(c.Headers["Range"].Split('-')[1], CultureInfo.InvariantCulture));

    /// <summary>A random genome as FASTA, and reads of it of 150 bases, one in fifty wrong, as FASTQ.</summary>
    private static (byte[] Reference, byte[] Reads) Genome(int bases, int reads)
    {
        const int length = 150;
        var random = new Random(7);
        var genome = random.GetItems<char>("ACGT", bases);
        var fastq = new StringBuilder();
        for (var i = 0; i < reads; i++)
        {
            var read = genome.AsSpan(random.Next(bases - length), length).ToArray();
            for (var error = 0; error < length / 50; error++)
            {
                read[random.Next(length)] = "ACGT"[random.Next(4)];
            }

            fastq.Append(CultureInfo.InvariantCulture, $"@read{i}\n{new string(read)}\n+\n{new string('I', length)}\n");
        }

        return (Encoding.ASCII.GetBytes($">chr1\n{new string(genome)}\n"), Encoding.ASCII.GetBytes(fastq.ToString()));
    }

    private static void AssertOutputs(MountedFleet fleet, WorkloadOutput expected)
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var key in fleet.Server.KeysBelow(Prefix + "out/").Where(k => !k.EndsWith('/') && !k.EndsWith("/.fusion.symlinks", StringComparison.Ordinal)))
        {
            var bytes = fleet.Server.Read(key)!;
            found[key[(Prefix.Length + 4)..]] = $"{bytes.Length} {Convert.ToHexString(SHA256.HashData(bytes))}";
        }

        var wanted = expected.Files.Where(f => f.Value.StartsWith("file ", StringComparison.Ordinal))
            .ToDictionary(f => f.Key, f => string.Join(' ', f.Value.Split(' ')[^2..]));
        Assert.Equal(new SortedDictionary<string, string>(wanted, StringComparer.Ordinal), found);
    }
}
