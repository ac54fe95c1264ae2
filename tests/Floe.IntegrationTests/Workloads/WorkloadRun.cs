using System.Globalization;
using Floe.Testing;
using Floe.Testing.Imds;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>
/// The main job: a workload is started on machine A, frozen at a random moment, A is destroyed, and the same line on machine B
/// must give in all what an undisturbed run gives.
/// </summary>
internal sealed class WorkloadRun(Workload workload, TestStore store, MachineKind kind, bool byNotice)
{
    /// <summary>EX_TEMPFAIL: what `floe run` promises to exit with after a committed snapshot.</summary>
    private const int Snapshotted = 75;

    private readonly string _key = $"{workload.Name}-{kind}";

    /// <summary>A shell that goes to the working directory and becomes the command.</summary>
    public static IReadOnlyList<string> InWorkingDirectory(IReadOnlyList<string> command) =>
        ["/bin/sh", "-c", $"mkdir -p {Workload.WorkingDirectory} && cd {Workload.WorkingDirectory} && exec \"$@\"", "sh", .. command];

    public async Task FreezeAndThawAsync(CancellationToken cancellationToken)
    {
        Assert.SkipWhen(workload.Obstacle is not null, workload.Obstacle ?? "");
        var expected = Baselines.GetAsync(workload);

        // Another moment on every run of the tests; FLOE_TEST_SEED repeats one.
        var seed = int.TryParse(Environment.GetEnvironmentVariable("FLOE_TEST_SEED"), CultureInfo.InvariantCulture, out var given) ? given : Random.Shared.Next();
        var moment = TimeSpan.FromSeconds(0.5 + (4 * new Random(seed).NextDouble()));
        var story = $"{workload.Name}, {kind}, {(byNotice ? "notice" : "floe snapshot")}, {store.Url}: frozen after {moment.TotalSeconds:F2} s (FLOE_TEST_SEED={seed})";
        TestContext.Current.TestOutputHelper?.WriteLine(story);

        await using var imds = await ImdsDouble.StartAsync();
        var environment = new Dictionary<string, string>(store.Environment)
        {
            ["FLOE_IMDS_ENDPOINT"] = imds.Endpoint.ToString().TrimEnd('/'),
            [Run.Fleet.Exclude] = Run.Fleet.SystemFolders,
        };
        byte[] before;
        await using (var a = await CreateAsync("machine-a", cancellationToken))
        {
            var run = await a.StartAsync(Line, environment, cancellationToken);

            // The clock starts with the task: before, the agent looks at the file system, and that takes what it takes.
            while (!run.HasExited && !Directory.Exists(a.RootPath + Workload.OutputFolder))
            {
                await Task.Delay(20, cancellationToken);
            }

            await Task.Delay(moment, cancellationToken);
            Assert.False(run.HasExited, $"{story}: ended early: {(run.HasExited ? await run.Ended : default)}: {run.Errors}");
            if (byNotice)
            {
                imds.SetSpotNotice("terminate", DateTimeOffset.FromUnixTimeSeconds(TimeProvider.System.GetUtcNow().ToUnixTimeSeconds() + 120));
            }
            else
            {
                var request = await a.StartBesideAsync(run, InWorkingDirectory([$"{a.Options.BundleAt}/bin/floe", "snapshot", "--key", _key]), environment, cancellationToken);
                var asked = await request.WaitAsync(cancellationToken);
                Assert.True(asked.Status.Success, $"{story}: floe snapshot: {asked.Status}: {asked.Errors}\n{run.Errors}");
            }

            var stopped = await run.WaitAsync(cancellationToken);
            Assert.True(stopped.Status.ShellCode == Snapshotted, $"{story}: {stopped.Status} instead of {Snapshotted}: {stopped.Errors}");
            before = stopped.Output;
        }

        imds.ClearSpotNotice();
        await using var b = await CreateAsync("machine-b", cancellationToken);
        var finished = await (await b.StartAsync(Line, environment, cancellationToken)).WaitAsync(cancellationToken);
        Assert.True(finished.Status.Success, $"{story}: on machine B {finished.Status}: {finished.Errors}");

        // A clean start on machine B would give the right output too, having lost all the work.
        Assert.Matches("Restored snapshot [0-9]+ of machine machine-a", finished.Errors);
        (await expected).AssertEqual(WorkloadOutput.Read(b, [.. before, .. finished.Output]));
    }

    private IReadOnlyList<string> Line => InWorkingDirectory(["/opt/floe/bin/floe", "run", "--store", store.Url, "--key", _key, "--notice-poll", "1", "--", .. workload.Command]);

    private Task<Machine> CreateAsync(string hostName, CancellationToken cancellationToken) => Machine.CreateAsync(
        new()
        {
            Kind = kind,
            HostName = hostName,
            Store = store.Folder,
            Binds = [new(Repository.PathOf("tests/workloads"), Workload.Folder, ReadOnly: true)],
        },
        cancellationToken);
}
