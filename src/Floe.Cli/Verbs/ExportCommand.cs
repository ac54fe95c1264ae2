using System.CommandLine;
using System.Text.Json;
using Floe.Agent;
using Floe.Agent.Export;
using Floe.Cli.Console;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe export</c>: a stored snapshot as plain CRIU images and a tar of the files.</summary>
internal static class ExportCommand
{
    private static readonly Option<string?> s_store = EnvironmentOption.Text("--store", "URL", "The store: s3://bucket/prefix or file:///folder");
    private static readonly Option<long?> s_snapshot = new("--snapshot") { HelpName = "N", Description = "Which snapshot; the newest when left out" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };
    private static readonly Argument<string> s_key = new("KEY") { Description = "The task" };
    private static readonly Argument<string> s_folder = new("FOLDER") { Description = "A new folder: images/, files.tar and deleted.txt are written there" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("export", """
            Write a snapshot as plain CRIU images, on which crit and criu work, and a tar of the task's files.

            Example:
              floe export job-17 ./job-17 --store s3://bucket/floe && crit show job-17/images/pstree.img
            """);
        command.Arguments.Add(s_key);
        command.Arguments.Add(s_folder);
        command.Options.Add(s_store);
        command.Options.Add(s_snapshot);
        command.Options.Add(s_json);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var key = StoreSession.Key(parsed.GetValue(s_key));
        await using var session = await StoreSession.OpenAsync(parsed.GetValue(s_store), log, cancellationToken).ConfigureAwait(false);
        var snapshots = await session.Store.ListSnapshotsAsync(key, cancellationToken).ConfigureAwait(false);
        var seq = parsed.GetValue(s_snapshot) ?? snapshots.FirstOrDefault(s => s.Manifest is not null)?.Seq;
        if (seq is null || snapshots.All(s => s.Seq != seq))
        {
            throw new FloeException(ExitCodes.Usage, snapshots.Count == 0
                ? $"task '{key}' has no snapshot in {session.Url}; 'floe list' shows what there is"
                : $"task '{key}' has no snapshot {seq}; it has {string.Join(", ", snapshots.Select(s => s.Seq))}");
        }

        try
        {
            var reader = await session.Store.OpenSnapshotAsync(key, seq.Value, new SnapshotReaderOptions(), cancellationToken).ConfigureAwait(false);
            var result = await SnapshotExport.RunAsync(reader, Path.GetFullPath(parsed.GetValue(s_folder)!), cancellationToken).ConfigureAwait(false);
            if (parsed.GetValue(s_json))
            {
                var report = new ExportReport(key.Value, seq.Value, result.ImagesFolder, result.Images, result.ImageBytes, result.FilesArchive, result.Files);
                System.Console.WriteLine(JsonSerializer.Serialize(report, VerbJson.Default.ExportReport));
            }
            else
            {
                System.Console.WriteLine($"snapshot {seq} of {key}: {result.Images} images ({Sizes.Bytes(result.ImageBytes)}) in {result.ImagesFolder}, {result.Files} files in {result.FilesArchive ?? "no archive"}");
            }

            return 0;
        }
        catch (SnapshotDamagedException e)
        {
            throw new FloeException(ExitCodes.StoreError, $"snapshot {seq} of {key} is damaged: {e.Message}; 'floe verify' tells what else is", e);
        }
    }
}
