using System.Text;

namespace Floe.Agent.Run;

/// <summary>Looks a command up as a shell would, so that a wrong name is one clear line before anything is set up.</summary>
public static class Executable
{
    /// <exception cref="FloeException">There is no such program (127), or it may not be executed (126).</exception>
    public static void Require(byte[] command, string workingDirectory)
    {
        var name = Encoding.UTF8.GetString(command);
        if (name.Length == 0)
        {
            throw new FloeException(ExitCodes.CommandNotFound, "the command is empty");
        }

        var candidates = name.Contains('/')
            ? [Path.Combine(workingDirectory, name)]
            : (Environment.GetEnvironmentVariable("PATH") ?? "/usr/local/bin:/usr/bin:/bin").Split(':').Select(d => Path.Combine(d.Length == 0 ? workingDirectory : d, name)).ToArray();
        var found = candidates.FirstOrDefault(File.Exists);
        if (found is null)
        {
            // A name that is no UTF-8 cannot be looked up here; the kernel can.
            if (!name.Contains('�'))
            {
                throw new FloeException(ExitCodes.CommandNotFound, $"{name}: command not found");
            }

            return;
        }

        if ((File.GetUnixFileMode(found) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) == 0)
        {
            throw new FloeException(126, $"{found}: not executable; chmod +x it, or name its interpreter");
        }
    }
}
