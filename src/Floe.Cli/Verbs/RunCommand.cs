using System.CommandLine;
using System.Text;
using Floe.Agent;
using Floe.Agent.Control;
using Floe.Agent.Cpu;
using Floe.Agent.Namespaces;
using Floe.Agent.Files;
using Floe.Agent.Launch;
using Floe.Agent.Notices;
using Floe.Agent.Mounts;
using Floe.Agent.Run;
using Floe.Agent.Scheduler;
using Floe.Cli.Console;
using Floe.FileSystem.Content;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe run</c>: starts a command, or goes on with it where another machine stopped.</summary>
internal static class RunCommand
{
    // What Nextflow sets, and of tasks that have nothing to do with a mount, too.
    private const string CacheSizeVariable = "FUSION_CACHE_SIZE";
    private const string TagsVariable = "FUSION_TAGS";

    private static readonly Option<string?> s_store = EnvironmentOption.Text("--store", "URL",
        "Where snapshots are kept: s3://bucket/prefix or file:///folder. Default: a folder on this machine, printed at the start");
    private static readonly Option<string?> s_key = EnvironmentOption.Text("--key", "NAME",
        "Name of the task in the store; the same key on another machine resumes it. Default: the AWS Batch or Slurm job, else a name made from working directory and command, printed at the start");
    private static readonly Option<string> s_onTerm = EnvironmentOption.Choice("--on-term", ["forward", "snapshot"], "forward",
        "What SIGTERM does when no reclaim notice is pending: forward it to the task, or snapshot and exit 75");
    private static readonly Option<string> s_onRestoreFailure = EnvironmentOption.Choice("--on-restore-failure", ["auto", "restart", "fail"], "auto",
        "When no snapshot can be restored: restart the command from the beginning, or fail with 176 and keep them; auto restarts if all are damaged, and fails if this machine or this line is in the way");
    private static readonly Option<string> s_ifCommandDiffers = EnvironmentOption.Choice("--if-command-differs", ["fail", "resume"], "fail",
        "When the key's snapshots are of another command, or of another working directory: fail with 2, or resume what was started");
    private static readonly Option<string> s_after = EnvironmentOption.Choice("--after-snapshot", ["auto", "exit", "stay"], "auto",
        "After a snapshot that takes the task off this machine: exit 75, or stay until the machine dies; auto stays after a reclaim notice on AWS Batch, where only what ends with its host is retried, and else exits");
    private static readonly Option<double> s_returnAfter = EnvironmentOption.Seconds("--return-after", 600, 0, 86400,
        "A machine that is still there so long after its reclaim notice's time, or after a snapshot that it stayed after without a notice, gets the task back");
    private static readonly Option<string> s_tcp = EnvironmentOption.Choice("--tcp", ["close", "established"], "close",
        "TCP connections on the new machine: close keeps those inside the task and closes others, so that the task sees an error and connects again; established keeps all, for machines that keep their address");
    private static readonly Option<string> s_files = EnvironmentOption.Choice("--files", ["auto", "root", "work"], "auto",
        "Files that travel with the task: root = all that changes on the root file system, /tmp and /dev/shm; work = in the working directory, /tmp and /dev/shm. auto is root in a container of its own, work elsewhere");
    private static readonly Option<string[]> s_include = EnvironmentOption.Folders("--include",
        "A folder (mount, volume) whose changes travel too. It is the task's alone: a restore brings all of it to the snapshot's state, where in a working directory that others write to as well it touches the task's files only. May be repeated");
    private static readonly Option<string[]> s_exclude = EnvironmentOption.Folders("--exclude",
        "A folder whose changes stay behind; may be repeated");
    private static readonly Option<string?> s_mount = EnvironmentOption.Text("--mount", "DIR",
        "Mount object storage for the task before it starts: a bucket's key is at DIR/s3/BUCKET/KEY. What it writes there is uploaded when the command ends, and what is not uploaded yet travels with a snapshot. Made if it is not there");
    private static readonly Option<string?> s_mountRoot = EnvironmentOption.Text("--mount-root", "URL",
        "With --mount: only this folder of a bucket, s3://bucket/prefix, directly at DIR");
    private static readonly Option<string?> s_mountCache = EnvironmentOption.Text("--mount-cache", "DIR",
        "With --mount: where bytes are kept that are read ahead or not uploaded yet. Default: a folder in /tmp");
    private static readonly Option<string?> s_cacheSize = EnvironmentOption.Text("--cache-size", "SIZE",
        "With --mount: the limit of that folder, like 500M or 20G; FUSION_CACHE_SIZE counts too. Default: four fifths of what is free there", other: CacheSizeVariable);
    private static readonly Option<string?> s_tags = EnvironmentOption.Text("--tags", "RULES",
        "With --mount: tags of the objects that are written, by name: [pattern|pattern](name=value),[*](name=value); FUSION_TAGS counts too", other: TagsVariable);
    private static readonly Option<string?> s_baseline = EnvironmentOption.Text("--cpu-baseline", "LEVEL",
        "Hide CPU features above x86-64-v2, x86-64-v3 or x86-64-v4 from the task, so that it can move within a mixed fleet");
    private static readonly Option<bool> s_keep = EnvironmentOption.Switch("--keep",
        "Keep the task's snapshots when it has ended by itself");
    private static readonly Option<double> s_leaseWait = EnvironmentOption.Seconds("--lease-wait", 180, 0, 86400,
        "How long to wait while another machine holds the task");
    private static readonly Option<string?> s_trace = EnvironmentOption.Text("--trace", "FILE",
        "Write the task's history, which 'floe report' reads, into this file. Default: beside its snapshots in the store");
    private static readonly Option<string> s_notices = EnvironmentOption.Choice("--notices", ["auto", "ec2", "gce", "azure", "none"], "auto",
        "Whose metadata service is asked whether this machine is taken away; auto tells by the machine");
    private static readonly Option<string?> s_noticeFile = EnvironmentOption.Text("--notice-file", "FILE",
        "Snapshot when this file appears; it may hold the seconds left, or a time");
    private static readonly Option<double> s_poll = EnvironmentOption.Seconds("--notice-poll", 2, 1, 5,
        "Seconds between two looks for a notice: at the metadata service, and for --notice-file");
    private static readonly Argument<string[]> s_command = new("COMMAND")
    {
        Description = "The command and its arguments, after --",
        Arity = ArgumentArity.ZeroOrMore,
    };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("run", """
            Start a command, or resume it if the store has a good snapshot of its key.

            stdin is /dev/null; stdout, stderr, signals and the exit status are the command's own.
            Every option can also be given by the variable in brackets; the command line wins.

            Exit status: the command's (128+n for signal n); 75 snapshotted, run the same line again;
            174 store failed; 175 snapshot failed; 176 restore failed, the snapshots are kept; 2 wrong usage.

            Examples:
              floe run -- ./train.sh --epochs 100
              floe run --store s3://bucket/floe --key job-17 -- bash .command.run
              floe run --store s3://bucket/floe --key job-18 --mount /fusion -- bash /fusion/s3/bucket/runs/ab/12/.command.run
            """);
        foreach (var option in (Option[])[s_store, s_key, s_onTerm, s_onRestoreFailure, s_ifCommandDiffers, s_after, s_returnAfter, s_tcp, s_files, s_include, s_exclude, s_mount, s_mountRoot, s_mountCache, s_cacheSize, s_tags, s_baseline, s_keep, s_leaseWait, s_trace, s_notices, s_noticeFile, s_poll])
        {
            command.Options.Add(option);
        }

        command.Arguments.Add(s_command);
        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var command = CommandBytes();
        var words = parsed.GetValue(s_command)?.Length ?? 0;
        if (words != command.Count)
        {
            // What stands before '--' and is no option would else be run as a command.
            throw new FloeException(ExitCodes.Usage, $"'{parsed.GetValue(s_command)![0]}' is no option of floe run; the command comes after '--': floe run [options] -- COMMAND [ARG…]");
        }

        if (words == 0)
        {
            throw new FloeException(ExitCodes.Usage, "no command given; write: floe run [options] -- COMMAND [ARG…]");
        }

        var options = Options(parsed, command);
        Require(parsed);
        if (!PidNamespaceHost.IsInit)
        {
            // Here only what the inner process would find too late or say twice.
            Executable.Require(command[0], options.WorkingDirectory);
            var status = await PidNamespaceHost.RunAsync(ExitCodes.Usage).ConfigureAwait(false);
            return status.ShellCode;
        }

        if (PidNamespaceHost.IsInner)
        {
            PidNamespaceHost.EnterInner();
        }

        return await TaskRun.RunAsync(options, TimeProvider.System, log, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What the agent would refuse, too, without knowing who said it.</summary>
    private static void Require(ParseResult parsed)
    {
        if (parsed.GetValue(s_key) is { } key && !TaskKey.TryParse(key, out _, out var error))
        {
            throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, s_key)} '{key}': {error}");
        }

        if (parsed.GetValue(s_baseline) is { } level && CpuBaseline.TryParse(level, out error) is null)
        {
            throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, s_baseline)}: {error}");
        }
    }

    private static RunOptions Options(ParseResult parsed, IReadOnlyList<byte[]> command)
    {
        var workingDirectory = WorkingDirectory.Current();
        // For the key only: Latin-1 keeps different bytes different, whatever they mean.
        var words = command.Select(Encoding.Latin1.GetString).ToList();
        var scheduler = SchedulerIdentity.FromEnvironment(Environment.GetEnvironmentVariable);
        var ownMachine = PidNamespaceHost.IsInit && !PidNamespaceHost.IsInner;
        return new RunOptions
        {
            Store = StoreOption.Parse(parsed.GetValue(s_store)),
            Key = parsed.GetValue(s_key) ?? scheduler?.DefaultTaskKey(words, workingDirectory) ?? DefaultKey.For(words, workingDirectory),
            Command = command,
            WorkingDirectory = workingDirectory,
            Include = parsed.GetValue(s_include) ?? [],
            Exclude = parsed.GetValue(s_exclude) ?? [],
            Files = parsed.GetValue(s_files) switch
            {
                "root" => FileScopeMode.Root,
                "work" => FileScopeMode.Work,
                _ => ownMachine ? FileScopeMode.Root : FileScopeMode.Work,
            },
            Mount = Mount(parsed, workingDirectory),
            Tcp = parsed.GetValue(s_tcp) == "established" ? TcpPolicy.Established : TcpPolicy.Close,
            CpuBaseline = parsed.GetValue(s_baseline),
            OnTerm = parsed.GetValue(s_onTerm) == "snapshot" ? TermPolicy.Snapshot : TermPolicy.Forward,
            OnRestoreFailure = Enum.Parse<RestoreFailurePolicy>(parsed.GetValue(s_onRestoreFailure)!, ignoreCase: true),
            IfCommandDiffers = Enum.Parse<OtherCommandPolicy>(parsed.GetValue(s_ifCommandDiffers)!, ignoreCase: true),
            After = parsed.GetValue(s_after) switch
            {
                "stay" => AfterSnapshot.Stay,
                "auto" when scheduler?.Kind == SchedulerKind.AwsBatch => AfterSnapshot.StayAtNotice,
                _ => AfterSnapshot.Exit,
            },
            ReturnAfter = TimeSpan.FromSeconds(parsed.GetValue(s_returnAfter)),
            Keep = parsed.GetValue(s_keep),
            LeaseWait = TimeSpan.FromSeconds(parsed.GetValue(s_leaseWait)),
            WatchesOnDemand = parsed.GetValue(s_notices) == "ec2",
            Notices = parsed.GetValue(s_notices) switch
            {
                "ec2" => CloudPlatform.Ec2,
                "gce" => CloudPlatform.Gce,
                "azure" => CloudPlatform.Azure,
                "none" => null,
                _ => CloudPlatforms.Detect(),
            },
            NoticeFile = parsed.GetValue(s_noticeFile) is { } noticeFile ? Path.GetFullPath(noticeFile, workingDirectory) : null,
            NoticePoll = TimeSpan.FromSeconds(parsed.GetValue(s_poll)),
            TraceFile = parsed.GetValue(s_trace) is { } trace ? Path.GetFullPath(trace, workingDirectory) : null,
            Scheduler = scheduler,
            StateDirectory = AgentDirectory.DefaultParent(),
        };
    }

    private static MountRequest? Mount(ParseResult parsed, string workingDirectory)
    {
        if (parsed.GetValue(s_mount) is not { } directory)
        {
            // Variables of size and tags may be there for others.
            Option?[] lost =
            [
                parsed.GetValue(s_mountRoot) is null ? null : s_mountRoot, parsed.GetValue(s_mountCache) is null ? null : s_mountCache,
                EnvironmentOption.IsGiven(parsed, s_cacheSize) ? s_cacheSize : null, EnvironmentOption.IsGiven(parsed, s_tags) ? s_tags : null,
            ];
            return lost.FirstOrDefault(o => o is not null) is { } option
                ? throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, option)} goes with --mount DIR, which is not there") : null;
        }

        var path = Path.GetFullPath(directory, workingDirectory);
        if (path == "/" || File.Exists(path))
        {
            throw new FloeException(ExitCodes.Usage, $"{EnvironmentOption.Source(parsed, s_mount)} {directory}: nothing can be mounted there; name a folder like /fusion");
        }

        var given = parsed.GetValue(s_mountCache) is { } folder ? Path.GetFullPath(folder, workingDirectory) : null;
        var cache = given ?? CachePlace.Make();
        return new MountRequest(
            path,
            MountCommand.Options(
                parsed.GetValue(s_mountRoot), EnvironmentOption.Source(parsed, s_mountRoot), parsed.GetValue(s_tags), EnvironmentOption.Source(parsed, s_tags, TagsVariable)),
            new ContentStoreOptions
            {
                CacheFolder = cache,
                MaxCacheBytes = parsed.GetValue(s_cacheSize) is { } size ? MountCommand.Size(size, EnvironmentOption.Source(parsed, s_cacheSize, CacheSizeVariable)) : null,
            })
        {
            RemovesCacheFolder = given is not null,
        };
    }

    /// <summary>All behind the first "--" as the kernel gave it: .NET's strings lose bytes that are no UTF-8.</summary>
    private static List<byte[]> CommandBytes() => ProcessStrings.Arguments().SkipWhile(word => !word.AsSpan().SequenceEqual("--"u8)).Skip(1).ToList();
}
