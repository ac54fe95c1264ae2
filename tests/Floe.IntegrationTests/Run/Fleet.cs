using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Floe.Testing;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.Run;

/// <summary>Machines that share a store, one after the other or at the same time, and a user's floe lines on them.</summary>
internal sealed class Fleet : IAsyncDisposable
{
    public const string Floe = "/opt/floe/bin/floe";
    public const string Key = "task";

    /// <summary>Shell words that every program here may use: wait until a file is there.</summary>
    public const string Gate = "gate() { until [ -e \"$1\" ]; do sleep 0.02; done; }; ";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    private readonly ScratchFolder _scratch = new();
    private readonly List<Machine> _machines = [];

    public Fleet() => StoreFolder = _scratch.Folder("store");

    /// <summary>What the machines see as /store.</summary>
    public string StoreFolder { get; }

    public string StoreUrl { get; init; } = "file:///store";

    public MachineKind Kind { get; init; } = MachineKind.Container;

    public bool OwnNetwork { get; init; }

    /// <summary>
    /// What no task of these tests writes to: listing the host's libraries is most of the time that a short run takes. A test of files takes it out
    /// of <see cref="Environment"/>.
    /// </summary>
    public const string Exclude = "FLOE_EXCLUDE";

    public const string SystemFolders = "/usr/lib:/usr/include:/usr/share";

    /// <summary>Of every floe.</summary>
    public Dictionary<string, string> Environment { get; } = new() { [Exclude] = SystemFolders };

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>A folder of the host, for binds.</summary>
    public string Folder(string name) => _scratch.Folder(name);

    /// <summary>Every floe gets at this service, and does not try again what it refuses.</summary>
    public void Reach(S3Double s3)
    {
        Environment["AWS_ACCESS_KEY_ID"] = s3.Keys.AccessKeyId;
        Environment["AWS_SECRET_ACCESS_KEY"] = s3.Keys.SecretAccessKey;
        Environment["FLOE_S3_ENDPOINT"] = s3.Endpoint.ToString().TrimEnd('/');
        Environment["FLOE_S3_MAX_ATTEMPTS"] = "1";
    }

    public async Task<Machine> MachineAsync(string hostName, params MachineBind[] binds)
    {
        var machine = await Machine.CreateAsync(new() { Kind = Kind, HostName = hostName, Store = StoreFolder, Binds = binds, OwnNetwork = OwnNetwork }, Token);
        _machines.Add(machine);
        return machine;
    }

    /// <summary>`floe run` with this store and <see cref="Key"/>, no metadata service; in a container it is pid 1.</summary>
    public Task<MachineProcess> RunAsync(Machine machine, string[] options, params string[] command) =>
        StartAsync(machine, ["run", "--store", StoreUrl, "--key", Key, "--notices=none", .. options, "--", .. command]);

    /// <summary>The same for a bash script.</summary>
    public Task<MachineProcess> RunScriptAsync(Machine machine, string script, params string[] options) => RunAsync(machine, options, "/bin/bash", "-c", script);

    /// <summary>floe with any words; in a container as pid 1 of a new one.</summary>
    public Task<MachineProcess> StartAsync(Machine machine, params string[] words) => machine.StartAsync([Floe, .. words], Environment, Token);

    /// <summary>floe with any words, to its end.</summary>
    public async Task<MachineResult> FloeAsync(Machine machine, params string[] words) => await EndAsync(await StartAsync(machine, words));

    /// <summary>Another command of the machine, to its end.</summary>
    public async Task<MachineResult> ShellAsync(Machine machine, string script, params string[] words) =>
        await EndAsync(await machine.StartAsync(["/bin/bash", "-c", script, "bash", .. words], Environment, Token));

    /// <summary>`floe snapshot` beside a running `floe run`, as `docker exec` would.</summary>
    public async Task<MachineResult> SnapshotAsync(Machine machine, MachineProcess run, params string[] options) => await EndAsync(await StartSnapshotAsync(machine, run, options));

    public Task<MachineProcess> StartSnapshotAsync(Machine machine, MachineProcess run, params string[] options) =>
        machine.StartBesideAsync(run, [Floe, "snapshot", .. options], Environment, Token);

    /// <summary>Snapshots and takes the task off the machine: both commands end as promised.</summary>
    public async Task<MachineResult> TakeAwayAsync(Machine machine, MachineProcess run)
    {
        var asked = await SnapshotAsync(machine, run, "--key", Key);
        Assert.True(asked.Status.Success, $"{asked.Status}: {asked.Errors}\n{run.Errors}");
        var ended = await EndAsync(run);
        AssertStatus(75, ended);
        return ended;
    }

    /// <summary>Takes a task that has printed "ready" to another machine, where /run/go is there from the start, and waits for its end.</summary>
    public async Task<MachineResult> MoveAsync(params string[] task)
    {
        var a = await MachineAsync("machine-a");
        var run = await RunAsync(a, [], task);
        await UntilPrintedAsync(run, "ready\n");
        await TakeAwayAsync(a, run);
        await a.DestroyAsync();

        var b = await MachineAsync("machine-b");
        Open(b, "/run/go");
        return await EndAsync(await RunAsync(b, [], task));
    }

    public static async Task<MachineResult> EndAsync(MachineProcess process)
    {
        try
        {
            return await process.WaitAsync(Token).WaitAsync(s_patience, Token);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"still running after {s_patience.TotalSeconds} s; stdout: {Tail(Encoding.UTF8.GetString(process.Output))}; stderr: {Tail(process.Errors)}");
        }
    }

    public static void AssertStatus(int expected, MachineResult result) =>
        Assert.True(result.Status.ShellCode == expected, $"{result.Status} instead of {expected}; stdout: {Tail(result.Text)}; stderr: {Tail(result.Errors)}");

    /// <summary>Waits until a condition holds; a process that ends first is a failure that shows its output.</summary>
    public static async Task UntilAsync(MachineProcess process, Func<bool> condition, string what)
    {
        var began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.False(process.HasExited && !condition(), $"ended before {what}; stdout: {Tail(Encoding.UTF8.GetString(process.Output))}; stderr: {process.Errors}");
            Assert.True(Stopwatch.GetElapsedTime(began) < s_patience, $"no {what} in {s_patience.TotalSeconds} s; stdout: {Tail(Encoding.UTF8.GetString(process.Output))}; stderr: {process.Errors}");
            await Task.Delay(10, Token);
        }
    }

    public static Task UntilPrintedAsync(MachineProcess process, string text) =>
        UntilAsync(process, () => Encoding.UTF8.GetString(process.Output).Contains(text, StringComparison.Ordinal), $"'{text}' on stdout");

    public static Task UntilLoggedAsync(MachineProcess process, string text) =>
        UntilAsync(process, () => process.Errors.Contains(text, StringComparison.Ordinal), $"'{text}' on stderr");

    /// <summary>Makes a file of the machine, for <see cref="Gate"/>.</summary>
    public static void Open(Machine machine, string path) => File.WriteAllText(machine.RootPath + path, "");

    /// <summary>Host paths of the key's packs.</summary>
    public string[] Packs() => Directory.Exists($"{StoreFolder}/tasks/{Key}/packs") ? [.. Directory.GetFiles($"{StoreFolder}/tasks/{Key}/packs").Order(StringComparer.Ordinal)] : [];

    /// <summary>Sequence numbers of the key's snapshots in the folder store, oldest first. Fences take numbers too.</summary>
    public long[] Snapshots() =>
        [.. Directory.GetFiles($"{StoreFolder}/tasks/{Key}/snapshots", "*.json")
            .Where(IsSnapshot)
            .Select(path => long.Parse(Path.GetFileNameWithoutExtension(path), CultureInfo.InvariantCulture)).Order()];

    private static bool IsSnapshot(string path)
    {
        try
        {
            return File.ReadAllText(path).Contains("\"kind\":\"snapshot\"", StringComparison.Ordinal);
        }
        catch (FileNotFoundException)
        {
            // A running agent removes what is older beside its task.
            return false;
        }
    }

    public string Manifest(long sequence) => string.Create(CultureInfo.InvariantCulture, $"{StoreFolder}/tasks/{Key}/snapshots/{sequence:D8}.json");

    /// <summary>A manifest with another text in it, as a Floe would have written it, seal included (docs/format.md, "Sealed JSON").</summary>
    public static async Task RewriteAsync(string manifest, string old, string with)
    {
        var text = await File.ReadAllTextAsync(manifest, Token);
        Assert.Contains(old, text, StringComparison.Ordinal);
        var body = text[..text.LastIndexOf(",\"sha256\":", StringComparison.Ordinal)].Replace(old, with, StringComparison.Ordinal);
        await File.WriteAllTextAsync(manifest, $"{body},\"sha256\":\"{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body)))}\"}}\n", Token);
    }

    public static void FlipByte(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        file.Position = file.Length / 3;
        var value = file.ReadByte();
        file.Position--;
        file.WriteByte((byte)(value ^ 0x40));
    }

    public static JsonElement Json(MachineResult result)
    {
        using var document = JsonDocument.Parse(result.Output);
        return document.RootElement.Clone();
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var machine in _machines)
        {
            await machine.DisposeAsync();
        }

        _scratch.Dispose();
    }

    private static string Tail(string text) => text.Length <= 2000 ? text : "…" + text[^2000..];
}
