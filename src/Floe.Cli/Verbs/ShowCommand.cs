using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe show</c>: one task with its snapshots.</summary>
internal static class ShowCommand
{
    private static readonly Option<bool> s_json = StoreVerb.Json();
    private static readonly Argument<string> s_key = StoreVerb.Key();

    public static Command Build(Func<ILoggerFactory> log) => StoreVerb.Build("show", """
        Show a task of a store: what it is, where it ran, and what each snapshot holds and cost to send.

        Example:
          floe show job-17 --store s3://bucket/floe
        """, [s_key, s_json], log, RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var key = StoreSession.Key(parsed.GetValue(s_key));
        var (snapshots, lease) = await StoreVerb.ReadTaskAsync(session, key, cancellationToken).ConfigureAwait(false);

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(new TaskDetail(key.Value, lease, snapshots), VerbJson.Default.TaskDetail));
            return 0;
        }

        if (snapshots.Select(s => s.Manifest).FirstOrDefault(m => m is not null) is { } newest)
        {
            System.Console.WriteLine($"task       {key}");
            System.Console.WriteLine($"command    {Printable.Command(newest.Task.Command)}");
            System.Console.WriteLine($"folder     {Printable.Text(newest.Task.WorkingDirectory)}");
            var machine = $"{newest.Machine.HostName}: {newest.Machine.CpuModel}, Linux {newest.Machine.KernelRelease}, CRIU {newest.Machine.CriuVersion}{(newest.Machine.CpuBaseline is { } level ? $", held to {level}" : "")}";
            System.Console.WriteLine($"machine    {Printable.Text(machine)}");
        }

        System.Console.WriteLine($"held by    {Printable.Text(ListCommand.Holder(lease))}");
        System.Console.WriteLine();
        var table = new Table(">SNAPSHOT", "TAKEN", "MACHINE", ">SIZE", ">ZERO", ">KNOWN", ">NEW", ">SENT", ">CAPTURE", ">COMMIT");
        foreach (var (seq, manifest, problem) in snapshots)
        {
            if (manifest is null)
            {
                table.Row(seq.ToString(), $"damaged: {problem}");
                continue;
            }

            var totals = manifest.Totals;
            table.Row(
                seq.ToString(), manifest.CreatedAt.ToString("yyyy-MM-dd HH:mm:ss'Z'"), manifest.Machine.HostName, Sizes.Bytes(totals.RawBytes), Sizes.Bytes(totals.ZeroBytes),
                Sizes.Bytes(totals.DedupBytes), Sizes.Bytes(totals.NewBytes), Sizes.Bytes(totals.UploadedBytes), $"{manifest.Timings.CaptureMillis} ms", $"{manifest.Timings.CommitMillis} ms");
        }

        table.Print();
        return 0;
    }
}
