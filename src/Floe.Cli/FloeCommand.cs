using System.CommandLine;
using Floe.Cli.Verbs;
using Microsoft.Extensions.Logging;

namespace Floe.Cli;

/// <summary>The command line with all its verbs.</summary>
internal static class FloeCommand
{
    /// <param name="log">Opens the log; called when a verb runs.</param>
    public static RootCommand Build(Func<ILoggerFactory> log) => new("""
        Floe freezes a running task, carries it to another machine through an object store, and thaws it there.

        Start a long command so that it survives the loss of its machine:
          floe run --store s3://bucket/floe --key my-task -- ./train.sh
        When the machine is reclaimed, Floe snapshots the task. Run the same line on another machine: it goes on.

        Variables; those that stand for an option are named in the help of its verb:
          FLOE_LOG       how much is logged: trace, debug, info (default), warn, error
          FLOE_LOG_FILE  a file that the log goes to; default: stderr
        """)
    {
        RunCommand.Build(log),
        SnapshotCommand.Build(),
        TopCommand.Build(),
        ListCommand.Build(log),
        ShowCommand.Build(log),
        VerifyCommand.Build(log),
        ExportCommand.Build(log),
        RemoveCommand.Build(log),
        MountCommand.Build(log),
        GcCommand.Build(log),
        CheckCommand.Build(log),
        LayerCommand.Build(log),
        ImageCommand.Build(),
        PlanCommand.Build(log),
        AmiCommand.Build(log),
        NextflowCommand.Build(log),
        ForgeCommand.Build(log),
        DoctorCommand.Build(log),
        ReportCommand.Build(log),
    };
}
