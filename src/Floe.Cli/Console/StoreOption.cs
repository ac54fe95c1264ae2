using Floe.Agent;
using Floe.Linux;
using Floe.S3;

namespace Floe.Cli.Console;

/// <summary>The store that a command line names, or the embedded default.</summary>
internal static class StoreOption
{
    /// <exception cref="FloeException">The text is no store URL.</exception>
    public static StoreUrl Parse(string? text) => StoreUrl.TryParse(text ?? Default(), out var error) ?? throw new FloeException(ExitCodes.Usage, error!);

    /// <summary>A folder of root's, or of the user's data.</summary>
    private static string Default() => Interop.geteuid() == 0
        ? "/var/lib/floe/store"
        : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "floe/store");
}
