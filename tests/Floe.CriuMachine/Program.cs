// A test machine's agent in miniature, so that the CRIU room is tested alone: pid 1 of namespaces that the test makes with
// unshare, and CRIU's hook. Scenarios talk to the test through files of one folder.
using Floe.Criu.Hook;
using Floe.CriuMachine;

if (ActionHook.RunIfInvoked() is { } status)
{
    return status;
}

if (args.Length < 2)
{
    Console.Error.WriteLine("usage: Floe.CriuMachine SCENARIO FOLDER [COMMAND...]");
    return 2;
}

try
{
    return await Scenarios.RunAsync(args[0], args[1], args[2..]);
}
catch (Exception error)
{
    await File.WriteAllTextAsync(Path.Combine(args[1], args[0] + ".error"), error.ToString());
    Console.Error.WriteLine(error);
    return 1;
}
