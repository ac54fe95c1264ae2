using System.CommandLine;
using System.CommandLine.Parsing;
using Floe.Agent;
using Floe.Agent.Files;
using Floe.Agent.Launch;
using Floe.Aws.Api;
using Floe.Cli;
using Floe.Cli.Console;
using Floe.Cli.Verbs;
using Floe.Criu.Hook;
using Floe.FileSystem.Content;
using Floe.FileSystem.Moving;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.Store;

// In a container layer the program is set-user-id root: nothing may come before this.
var user = SetUserId.Settle();
var words = ProcessStrings.Arguments();
var isFusion = words.Count > 0 && FusionLine.IsName(words[0]);
if (user is { } starter && !isFusion)
{
    // Only a task's launch needs root.
    SetUserId.GiveUp(starter);
}

// CRIU runs this same program as its action script.
if (ActionHook.RunIfInvoked() is { } verdict)
{
    return verdict;
}

SystemCertificates.UseOurOwnIfThereAreNone();

// Opened by the verb: whoever has set it up wrongly can have the help without it. It holds nothing back, so the program's end may close it.
var log = new Lazy<StderrLog>(() => isFusion ? StderrLog.FromFusionEnvironment(TimeProvider.System) : StderrLog.FromEnvironment(TimeProvider.System));
var root = FloeCommand.Build(() => log.Value);
if (args.Length == 0 || root.Subcommands.All(c => c.Name != args[0]))
{
    // The list of verbs has a line for each; a verb's own help has all of it.
    foreach (var command in root.Subcommands)
    {
        command.Description = command.Description?.Split('\n')[0];
    }
}

var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
try
{
    if (isFusion)
    {
        return await FusionLaunch.RunAsync(words, user, log.Value, CancellationToken.None);
    }

    // Without a replacer, '@name' is a word like any other.
    var parsed = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
    if (parsed.Errors.Count > 0)
    {
        // One line: the rest are consequences. The error that quotes a word says what is wrong, the others what is missing then.
        var error = parsed.Errors.FirstOrDefault(e => e.Message.Contains('\'')) ?? parsed.Errors[0];
        await SayAsync(error.Message);
        await SayAsync($"see 'floe {string.Concat(Names(parsed.CommandResult).Select(name => name + " "))}--help'");
        return ExitCodes.Usage;
    }

    return await parsed.InvokeAsync(configuration);
}
catch (FloeException e)
{
    await SayAsync(e.Message);
    return e.ExitCode;
}
catch (AwsException e)
{
    await SayAsync(e.Message);
    return AwsOption.ExitCode(e);
}
catch (Exception e) when (e is ObjectStoreException or UnsupportedFormatException or SnapshotDamagedException or LeaseLostException or LeaseRefusedException
    or FileStateException or MountStateException or ContentException)
{
    await SayAsync(e.Message);
    return ExitCodes.StoreError;
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException)
{
    // CRIU's and the kernel's refusals are such too. What is none of these is a defect of this program, and shows where.
    await SayAsync(e.Message);
    return 1;
}

// An error may quote what a store has.
static Task SayAsync(string message) => System.Console.Error.WriteLineAsync($"floe: {Printable.Text(message.ReplaceLineEndings(" "))}");

// A verb may have verbs of its own: floe forge create.
static IEnumerable<string> Names(CommandResult result) =>
    result.Parent is CommandResult parent ? Names(parent).Append(result.Command.Name) : [];
