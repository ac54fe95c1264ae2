using System.CommandLine;
using Floe.Agent;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>What the verbs that work on a store share: the --store option, and a store opened for them.</summary>
internal static class StoreVerb
{
    private static readonly Option<string?> s_store = EnvironmentOption.Text("--store", "URL",
        "The store: s3://bucket/prefix or file:///folder. Default: the folder that 'floe run' uses here");

    /// <param name="own">The verb's own arguments and options.</param>
    public static Command Build(
        string name, string description, IReadOnlyList<Symbol> own, Func<ILoggerFactory> log, Func<ParseResult, StoreSession, CancellationToken, Task<int>> run)
    {
        var command = new Command(name, description);
        command.Options.Add(s_store);
        foreach (var symbol in own)
        {
            if (symbol is Argument argument)
            {
                command.Arguments.Add(argument);
            }
            else
            {
                command.Options.Add((Option)symbol);
            }
        }

        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var session = await StoreSession.OpenAsync(parsed.GetValue(s_store), log(), cancellationToken).ConfigureAwait(false);
            return await run(parsed, session, cancellationToken).ConfigureAwait(false);
        });
        return command;
    }

    public static Option<bool> Json() => new("--json") { Description = "Print JSON" };

    public static Argument<string> Key() => new("KEY") { Description = "The task" };

    /// <summary>Whether the objects of one task cannot be read, while those of others may be.</summary>
    public static bool IsUnreadable(Exception e) => e is SnapshotDamagedException or UnsupportedFormatException;

    /// <summary>The task's snapshots, newest first, and its lease.</summary>
    /// <exception cref="FloeException">The store has no such task.</exception>
    public static async Task<(IReadOnlyList<SnapshotListing> Snapshots, LeaseInfo? Lease)> ReadTaskAsync(StoreSession session, TaskKey key, CancellationToken cancellationToken)
    {
        var (snapshots, lease) = await session.Store.ReadTaskAsync(key, cancellationToken).ConfigureAwait(false);
        return snapshots.Count > 0 || lease is not null || await session.Store.ReadTraceAsync(key, cancellationToken).ConfigureAwait(false) is not null
            ? (snapshots, lease)
            : throw new FloeException(ExitCodes.Usage, $"no task '{key}' in {session.Url}; 'floe list' shows what there is");
    }

    public static FloeException NoSuchSnapshot(StoreSession session, TaskKey key, long? seq, IReadOnlyList<SnapshotListing> snapshots) =>
        new(ExitCodes.Usage, snapshots.Count == 0
            ? $"task '{key}' has no snapshot in {session.Url}"
            : $"task '{key}' has no snapshot {seq}; it has {string.Join(", ", snapshots.Select(s => s.Seq))}");
}
