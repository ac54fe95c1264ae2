using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Agent.Control;
using Floe.Agent.Cpu;
using Floe.Agent.Preflight;
using Floe.Aws;
using Floe.Cli.Console;
using Floe.Criu;
using Floe.Criu.Errors;
using Floe.S3;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe check</c>: can this machine freeze and thaw tasks, and can this task be frozen?</summary>
internal static class CheckCommand
{
    private static readonly Option<string?> s_store = EnvironmentOption.Text("--store", "URL", "Also check that this store can be used");
    private static readonly Option<long?> s_pid = Amounts.Whole("--pid", "PID", 1, int.MaxValue, "Also check the process tree below this pid");
    private static readonly Option<string?> s_baseline = EnvironmentOption.Text("--cpu-baseline", "LEVEL", "Also check that this CPU has the level");
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("check", """
            Check whether this machine can freeze and thaw tasks, and with --pid whether a running process tree can be frozen.

            Kernel, capabilities, CRIU, space, CPU, and with --store the store are looked at. Each line that fails says what to do.
            The status is 1 when anything fails.

            Examples:
              floe check --store s3://bucket/floe
              floe check --pid 4711
            """);
        command.Options.Add(s_store);
        command.Options.Add(s_pid);
        command.Options.Add(s_baseline);
        command.Options.Add(s_json);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        CpuBaseline? baseline = null;
        if (parsed.GetValue(s_baseline) is { } level && (baseline = CpuBaseline.TryParse(level, out var error)) is null)
        {
            throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, s_baseline)}: {error}");
        }

        using var imds = new ImdsClient(ImdsOptions.FromEnvironment(Environment.GetEnvironmentVariable), TimeProvider.System);
        List<(string, ExternalCheck)> external = [(CriuResult.Name, CheckCriuAsync)];
        if (parsed.GetValue(s_store) is { } url)
        {
            external.Add(("store", token => CheckStoreAsync(url, log, token)));
        }

        var results = new List<CheckResult>(await MachinePreflight.RunAsync(
            new PreflightOptions { StateDirectory = AgentDirectory.DefaultParent(), ExternalChecks = external, Imds = imds, Baseline = baseline }, cancellationToken).ConfigureAwait(false));
        if (parsed.GetValue(s_pid) is { } pid)
        {
            if (!Directory.Exists($"/proc/{pid}"))
            {
                throw new FloeException(ExitCodes.Usage, $"--pid: there is no process {pid}");
            }

            results.AddRange(TaskPreflight.Run(new TaskPreflightOptions { RootPid = (int)pid }, cancellationToken));
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(results, VerbJson.Default.IReadOnlyListCheckResult));
        }
        else
        {
            Print(results);
        }

        return results.Any(r => r.Status == CheckStatus.Fail) ? 1 : 0;
    }

    private static void Print(List<CheckResult> results)
    {
        var width = results.Max(r => r.Name.Length);
        foreach (var result in results)
        {
            System.Console.WriteLine($"{result.Status.ToString().ToLowerInvariant(),-4}  {result.Name.PadRight(width)}  {Printable.Text(result.Detail)}");
            if (result.Fix is { } fix && result.Status != CheckStatus.Pass)
            {
                System.Console.WriteLine($"      {new string(' ', width)}  → {Printable.Text(fix)}");
            }
        }
    }

    private static async Task<CheckResult> CheckCriuAsync(CancellationToken cancellationToken)
    {
        try
        {
            var criu = await CriuInstallation.LocateAsync(cancellationToken).ConfigureAwait(false);
            return CriuResult.Of($"{criu.Version} at {criu.CriuPath}", await CriuCheck.RunAsync(criu, cancellationToken).ConfigureAwait(false));
        }
        catch (CriuException e)
        {
            return CheckResult.Fail(CriuResult.Name, e.Message, e.Hint ?? "run floe from its bundle folder");
        }
    }

    /// <summary>Opening writes nothing; a place that is no store yet is fine, because the first run makes it one.</summary>
    private static async Task<CheckResult> CheckStoreAsync(string url, ILoggerFactory log, CancellationToken cancellationToken)
    {
        try
        {
            await using var objects = ObjectStores.Open(StoreOption.Parse(url), StoreOptions.FromEnvironment(), log, TimeProvider.System);
            try
            {
                await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), false, cancellationToken).ConfigureAwait(false);
                return CheckResult.Pass("store", $"{objects.Url} is a Floe store");
            }
            catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.NotFound)
            {
                return CheckResult.Pass("store", $"{objects.Url} can be reached; the first run makes it a Floe store");
            }
        }
        catch (Exception e) when (e is ObjectStoreException or UnsupportedFormatException)
        {
            return CheckResult.Fail("store", e.Message, "check the URL, the credentials and their permissions (GetObject, PutObject, DeleteObject, ListBucket)");
        }
    }
}
