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
    private static readonly Option<long?> s_snapshot = Amounts.Whole("--snapshot", "N", 1, long.MaxValue, "Which snapshot; the newest when left out");
    private static readonly Option<bool> s_json = StoreVerb.Json();
    private static readonly Argument<string> s_key = StoreVerb.Key();
    private static readonly Argument<string> s_folder = new("FOLDER") { Description = "A new folder: images/, files.tar and deleted.txt are written there" };

    public static Command Build(Func<ILoggerFactory> log) => StoreVerb.Build("export", """
        Write a snapshot as plain CRIU images, which criu and its crit read, and a tar of the task's files.

        crit is not part of Floe; Debian's package criu has it.

        Example:
          floe export job-17 ./job-17 --store s3://bucket/floe && crit show job-17/images/pstree.img
        """, [s_key, s_folder, s_snapshot, s_json], log, RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, StoreSession session, CancellationToken cancellationToken)
    {
        var key = StoreSession.Key(parsed.GetValue(s_key));
        var (snapshots, _) = await StoreVerb.ReadTaskAsync(session, key, cancellationToken).ConfigureAwait(false);
        var seq = parsed.GetValue(s_snapshot) ?? snapshots.FirstOrDefault(s => s.Manifest is not null)?.Seq;
        if (seq is null || snapshots.All(s => s.Seq != seq))
        {
            throw StoreVerb.NoSuchSnapshot(session, key, seq, snapshots);
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
