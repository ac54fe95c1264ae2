using System.Text;
using Floe.Agent;
using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Launch;
using Floe.Agent.Mounts;
using Floe.Agent.Namespaces;
using Floe.Agent.Notices;
using Floe.Agent.Run;
using Floe.Agent.Scheduler;
using Floe.Cli.Console;
using Floe.FileSystem;
using Floe.FileSystem.Content;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.S3;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary>The program under its second name, <c>fusion</c>: Nextflow's launch line, with what Nextflow says in variables.</summary>
internal static class FusionLaunch
{
    private const string Help = """
        fusion COMMAND [ARG…]

        Floe under the name by which Nextflow starts a task that works in a bucket: mounts object storage at /fusion, runs the
        command, and carries it to another machine when this one is reclaimed. Snapshots, trace and log lie in .floe/ of the
        task's work directory; .command.log there holds what the command prints.

        Usage:
          fusion bash /fusion/s3/BUCKET/runs/ab/cdef/.command.run

        Variables:
          FUSION_WORK                      the work directory, if the command does not name it
          FUSION_TAGS                      tags of written objects: [pattern|pattern](name=value),[*](name=value)
          FUSION_CACHE_SIZE                limit of the local cache, like 500M
          FUSION_LOG_LEVEL                 trace, debug, info, warn, error: of the file system, and of all else without the next
          FUSION_SNAPSHOT_LOG_LEVEL        the same for snapshots and restores
          FUSION_LOG_OUTPUT                where the log goes: stderr (default), stdout, or a file outside of /fusion
          FUSION_SNAPSHOTS_TCP_MODE        close (default) or established
          AWS_S3_ENDPOINT, FUSION_AWS_REGION, FUSION_AWS_SERVER_SIDE_ENCRYPTION, FUSION_AWS_SSEKMS_KEY_ID
          WAVE_ENTRY_CHAIN                 the image's own entrypoint; it gets the command
          FLOE_STORE, FLOE_KEY, FLOE_NOTICES, FLOE_NOTICE_FILE, FLOE_ON_TERM, FLOE_CPU_BASELINE,
          FLOE_INCLUDE, FLOE_EXCLUDE, FLOE_ON_RESTORE_FAILURE, FLOE_IF_COMMAND_DIFFERS
                                           as for 'floe run'
          FLOE_RETURN_AFTER                on Batch: seconds after the notice's time when a machine that is still there gets
                                           the task back (600)

        Exit status: the command's; 75 snapshotted, run the same line again; 174 store or file system failed;
        175 snapshot failed; 176 restore failed, the snapshots are kept; 2 wrong usage.

        See 'floe --help' for everything else, and docs/nextflow.md.
        """;

    /// <param name="user">Who runs the task, where that is not who runs this program; see <see cref="SetUserId"/>.</param>
    public static async Task<int> RunAsync(IReadOnlyList<byte[]> arguments, UserIds? user, StderrLog log, CancellationToken cancellationToken)
    {
        if (arguments.Count > 1 && Encoding.UTF8.GetString(arguments[1]) is "--help" or "-h" or "-?")
        {
            await System.Console.Out.WriteLineAsync(Help).ConfigureAwait(false);
            return 0;
        }

        var line = FusionLine.Parse(arguments, Environment.GetEnvironmentVariable);
        if (Interop.geteuid() != 0)
        {
            throw NoRoot.Refusal();
        }

        if (!PidNamespaceHost.IsInit)
        {
            var status = await PidNamespaceHost.RunAsync(ExitCodes.StoreError).ConfigureAwait(false);
            return status.ShellCode;
        }

        if (PidNamespaceHost.IsInner)
        {
            PidNamespaceHost.EnterInner();
        }

        using var place = ScratchPlace.Make(AgentDirectory.DefaultParent(), PidNamespaceHost.IsInner);
        if (user is not null)
        {
            RootOnlyPath.Require(place.Cache, "the cache");
            RootOnlyPath.Require(AgentDirectory.DefaultParent(), "the agent's folder");
            RootOnlyPath.Require(Bundle.Locate().Root, "a program");
        }

        return await TaskRun.RunAsync(Options(line, user, place, log), TimeProvider.System, log, cancellationToken).ConfigureAwait(false);
    }

    private static RunOptions Options(FusionLine line, UserIds? user, ScratchPlace place, StderrLog log)
    {
        var workingDirectory = WorkingDirectory.Current();
        // For the key only: Latin-1 keeps different bytes different, whatever they mean.
        var words = line.Command.Select(Encoding.Latin1.GetString).ToList();
        var scheduler = SchedulerIdentity.FromEnvironment(Environment.GetEnvironmentVariable);
        var given = Variable("FLOE_STORE");
        var ownsStore = given is null && line.Work is not null;
        return new RunOptions
        {
            Store = ownsStore ? OwnStore(line) : StoreOption.Parse(given),
            OwnsStore = ownsStore,
            Key = Variable("FLOE_KEY") ?? scheduler?.DefaultTaskKey(words, workingDirectory) ?? DefaultKey.For(words, workingDirectory),
            Command = line.Command,
            User = user,
            WorkingDirectory = workingDirectory,
            Include = Folders("FLOE_INCLUDE"),
            Exclude = Folders("FLOE_EXCLUDE"),
            Files = PidNamespaceHost.IsInner ? FileScopeMode.Work : FileScopeMode.Root,
            Mount = new MountRequest(
                FusionLine.MountDirectory,
                Files(user),
                new ContentStoreOptions { CacheFolder = place.Cache, MaxCacheBytes = Variable("FUSION_CACHE_SIZE") is { } size ? MountCommand.Size(size, "FUSION_CACHE_SIZE") : null })
            {
                Work = line.Work,
                OutputCopy = line.Work is null ? null : ".command.log",
            },
            Tcp = Choice("FUSION_SNAPSHOTS_TCP_MODE", "close", "established") == "established" ? TcpPolicy.Established : TcpPolicy.Close,
            CpuBaseline = Variable("FLOE_CPU_BASELINE"),
            OnTerm = Choice("FLOE_ON_TERM", "forward", "snapshot") == "snapshot" ? TermPolicy.Snapshot : TermPolicy.Forward,
            OnRestoreFailure = Enum.Parse<RestoreFailurePolicy>(Choice("FLOE_ON_RESTORE_FAILURE", "restart", "auto", "fail"), ignoreCase: true),
            IfCommandDiffers = Enum.Parse<OtherCommandPolicy>(Choice("FLOE_IF_COMMAND_DIFFERS", "fail", "resume"), ignoreCase: true),
            After = scheduler?.Kind == SchedulerKind.AwsBatch ? AfterSnapshot.StayAtNotice : AfterSnapshot.Exit,
            ReturnAfter = Seconds("FLOE_RETURN_AFTER", 600),
            Notices = Choice("FLOE_NOTICES", "auto", "ec2", "gce", "azure", "none") switch
            {
                "ec2" => CloudPlatform.Ec2,
                "gce" => CloudPlatform.Gce,
                "azure" => CloudPlatform.Azure,
                "none" => null,
                _ => CloudPlatforms.Detect(),
            },
            WatchesOnDemand = Variable("FLOE_NOTICES") == "ec2",
            NoticeFile = Variable("FLOE_NOTICE_FILE") is { } file ? Path.GetFullPath(file, workingDirectory) : null,
            Scheduler = scheduler,
            StateDirectory = AgentDirectory.DefaultParent(),
            Log = log.Kept,
        };
    }

    /// <summary>What carries no owner is the task's user's; snapshots are not: root restores them.</summary>
    private static FileSystemOptions Files(UserIds? user)
    {
        var files = MountCommand.Options(null, "", Variable("FUSION_TAGS"), "FUSION_TAGS");
        return user is { } ids ? files with { Uid = ids.Uid, Gid = ids.Gid, RootOnlyName = FusionLine.StoreFolder } : files;
    }

    /// <summary>Below the work directory, so that whoever removes the work removes the snapshots.</summary>
    private static StoreUrl OwnStore(FusionLine line) =>
        StoreUrl.TryParse($"{line.Work}{FusionLine.StoreFolder}", out var error) ?? throw new FloeException(ExitCodes.Usage, error!);

    private static string[] Folders(string name) => Variable(name)?.Split(':', StringSplitOptions.RemoveEmptyEntries) ?? [];

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } text ? text : null;

    private static string Choice(string name, params ReadOnlySpan<string> choices)
    {
        if (Variable(name) is not { } text)
        {
            return choices[0];
        }

        foreach (var choice in choices)
        {
            if (choice.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return choice;
            }
        }

        throw new FloeException(ExitCodes.Usage, $"{name} is '{text}'; it may be {string.Join(", ", choices)}");
    }

    private static TimeSpan Seconds(string name, int otherwise) => TimeSpan.FromSeconds(
        Variable(name) is not { } text ? otherwise
        : int.TryParse(text, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out var seconds) ? seconds
        : throw new FloeException(ExitCodes.Usage, $"{name} is '{text}'; it must be a number of seconds"));
}
