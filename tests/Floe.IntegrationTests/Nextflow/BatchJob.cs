using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Floe.IntegrationTests.Workloads;
using Floe.S3;
using Floe.Testing;
using Floe.Testing.Imds;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Nextflow;

/// <summary>
/// A Nextflow task as AWS Batch runs it: one job id, attempts that are started again only when their host was terminated, each in a container of
/// its own on a machine with its own metadata service, started by Nextflow's launch line.
/// </summary>
internal sealed class BatchJob : IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    private readonly Uri _endpoint;
    private readonly AccessKeys _keys;
    private readonly string _bucket;
    private readonly IMultipartStore _objects;
    private readonly List<BatchAttempt> _attempts = [];

    public BatchJob(Uri endpoint, AccessKeys keys, string bucket)
    {
        (_endpoint, _keys, _bucket) = (endpoint, keys, bucket);
        var hash = Guid.NewGuid().ToString("n");
        Id = Guid.NewGuid().ToString();
        Work = $"scratch/{hash[..2]}/{hash[2..]}";
        _objects = ObjectStores.Open(
            StoreUrl.TryParse($"s3://{bucket}/{Work}", out var error) ?? throw new ArgumentException(error),
            new ObjectStoreOptions { Endpoint = endpoint }, credentials: new FixedCredentials(keys));
    }

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>AWS_BATCH_JOB_ID; a task that is submitted again has another one.</summary>
    public string Id { get; set; }

    /// <summary>Key prefix of the work directory, without a slash at its end.</summary>
    public string Work { get; }

    /// <summary>As the task sees it.</summary>
    public string WorkDirectory => $"/fusion/s3/{_bucket}/{Work}";

    public int Attempts { get; private set; }

    /// <summary>What the metadata service says of the next attempt's instance.</summary>
    public string LifeCycle { get; set; } = "spot";

    /// <summary>Of every attempt, beside what Nextflow and Batch set.</summary>
    public Dictionary<string, string> Environment { get; } = [];

    /// <summary>The folder below each machine's own; null for the host's.</summary>
    public string? RootFileSystem { get; init; }

    public IReadOnlyList<MachineBind> Binds { get; init; } = [];

    /// <summary>Where the machines have the bundle; null where <see cref="Prepare"/> brings it.</summary>
    public string? BundleAt { get; init; } = "/opt/floe";

    /// <summary>The launch line; null for Nextflow's.</summary>
    public IReadOnlyList<string>? Line { get; set; }

    /// <summary>Done to each machine before the container starts.</summary>
    public Action<Machine> Prepare { get; set; } = static _ => { };

    /// <summary>Puts the wrapper and the script where Nextflow puts them.</summary>
    /// <param name="inputs">Paths that are linked into the work directory.</param>
    public async Task SubmitAsync(string script, bool trace, params IReadOnlyList<string> inputs)
    {
        var wrapper = await File.ReadAllTextAsync(Repository.PathOf("tests/nextflow/command.run"), Token);
        await WriteAsync(".command.run", wrapper.Replace("WORK", WorkDirectory, StringComparison.Ordinal).Replace("if TRACE", trace ? "if true" : "if false", StringComparison.Ordinal));
        await WriteAsync(".command.sh", "#!/bin/bash -ue\n" + script + "\n");
        await WriteAsync(".command.inputs", string.Join('\n', inputs));
    }

    public Task WriteAsync(string name, string text) => _objects.PutAsync(new ObjectKey(name), Encoding.UTF8.GetBytes(text), PutCondition.None, Token);

    /// <summary>Starts the next attempt.</summary>
    public async Task<BatchAttempt> StartAsync()
    {
        var attempt = ++Attempts;
        var imds = await ImdsDouble.StartAsync();
        imds.SetInstance($"i-{attempt:x17}", "c6id.8xlarge", LifeCycle, "eu-central-1a");
        var machine = await Machine.CreateAsync(
            new()
            {
                HostName = $"ip-10-0-0-{attempt}",
                RootFileSystem = RootFileSystem,
                BundleAt = BundleAt,
                Binds = [new(Repository.PathOf("tests/workloads"), Workload.Folder, ReadOnly: true), .. Binds],
            },
            Token);
        if (BundleAt is { } bundle)
        {
            Directory.CreateDirectory($"{machine.RootPath}/usr/bin");
            File.CreateSymbolicLink($"{machine.RootPath}/usr/bin/fusion", $"{bundle}/bin/floe");
        }

        Prepare(machine);
        var environment = new Dictionary<string, string>(Environment)
        {
            ["AWS_BATCH_JOB_ID"] = Id,
            ["AWS_BATCH_JOB_ATTEMPT"] = $"{attempt}",
            ["AWS_BATCH_JQ_NAME"] = "floe-work",
            ["AWS_ACCESS_KEY_ID"] = _keys.AccessKeyId,
            ["AWS_SECRET_ACCESS_KEY"] = _keys.SecretAccessKey,
            ["AWS_S3_ENDPOINT"] = _endpoint.ToString().TrimEnd('/'),
            ["FLOE_IMDS_ENDPOINT"] = imds.Endpoint.ToString().TrimEnd('/'),
            ["FUSION_WORK"] = WorkDirectory,
            ["NXF_CHDIR"] = WorkDirectory,
            ["FUSION_TAGS"] = "[.command.*|.exitcode|.fusion.*](nextflow.io/metadata=true),[*](nextflow.io/temporary=true)",
            ["FUSION_LICENSE_TOKEN"] = "not.a.token",
            // The host's system folders are more than an image has, and listing them is most of the time of a short task.
            ["FLOE_EXCLUDE"] = "/usr:/var/lib",
        };
        var process = await machine.StartAsync(Line ?? ["/usr/bin/fusion", "bash", $"{WorkDirectory}/.command.run"], environment, Token);
        var started = new BatchAttempt(machine, process, imds);
        _attempts.Add(started);
        return started;
    }

    /// <summary>Runs the job to its end, reclaiming the machine at each of the moments.</summary>
    /// <param name="reclaims">Each waits for the moment of its notice; the machine dies once the task is safe.</param>
    public async Task<MachineResult> RunAsync(params IReadOnlyList<Func<BatchAttempt, Task>> reclaims)
    {
        foreach (var moment in reclaims)
        {
            var attempt = await StartAsync();
            await moment(attempt);
            if (attempt.Process.HasExited || !await attempt.ReclaimAsync())
            {
                return await attempt.EndAsync();
            }
        }

        return await (await StartAsync()).EndAsync();
    }

    /// <summary>The objects of the work directory without Floe's own: name, then length and digest.</summary>
    public async Task<SortedDictionary<string, string>> OutputsAsync()
    {
        var found = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await foreach (var item in _objects.ListAsync(new ObjectKey(""), Token))
        {
            if (!item.Key.Value.StartsWith(".floe/", StringComparison.Ordinal))
            {
                var bytes = await ReadAsync(item.Key.Value);
                found[item.Key.Value] = $"{bytes.Length} {Convert.ToHexString(SHA256.HashData(bytes))}";
            }
        }

        return found;
    }

    public async Task<byte[]> ReadAsync(string name) =>
        (await _objects.GetAsync(new ObjectKey(name), 1 << 30, Token))?.Content ?? throw new FileNotFoundException($"there is no {name} in the work directory");

    public async Task<string> TextAsync(string name) => Encoding.UTF8.GetString(await ReadAsync(name));

    public async Task<bool> ExistsAsync(string name) => await _objects.HeadAsync(new ObjectKey(name), Token) is not null;

    /// <summary>Names of what Floe keeps below the work directory.</summary>
    public async Task<IReadOnlyList<string>> OwnAsync()
    {
        var found = new List<string>();
        await foreach (var item in _objects.ListAsync(new ObjectKey(".floe/"), Token))
        {
            found.Add(item.Key.Value);
        }

        return found;
    }

    public async Task UntilAsync(BatchAttempt attempt, Func<Task<bool>> condition, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            Assert.False(attempt.Process.HasExited, $"ended before {what}: {attempt.Process.Errors}");
            Assert.True(Stopwatch.GetElapsedTime(began) < s_patience, $"no {what}: {attempt.Process.Errors}");
            await Task.Delay(20, Token);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var attempt in _attempts)
        {
            await attempt.DisposeAsync();
        }

        await _objects.DisposeAsync();
    }
}
