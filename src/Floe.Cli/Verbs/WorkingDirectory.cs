using Floe.Agent;

namespace Floe.Cli.Verbs;

/// <summary>Where the program was started.</summary>
internal static class WorkingDirectory
{
    /// <exception cref="FloeException">It was removed.</exception>
    public static string Current()
    {
        try
        {
            return Directory.GetCurrentDirectory();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FloeException(ExitCodes.Usage, "the working directory is not there any more; change to another one and run this again", e);
        }
    }
}
