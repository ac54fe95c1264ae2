using System.Security.Cryptography;
using System.Text;

namespace Floe.Agent.Run;

/// <summary>The key of a task that was given none and belongs to no scheduler's job.</summary>
public static class DefaultKey
{
    /// <summary>The command's name and a digest of working directory and command: the same line in the same folder is the same task.</summary>
    public static string For(IReadOnlyList<string> command, string workingDirectory)
    {
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(workingDirectory + "\0" + string.Join('\0', command))).AsSpan(0, 6));
        var name = new string([.. Path.GetFileName(command[0]).Where(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_').Take(40)]);
        return $"{(name.Length == 0 || !char.IsAsciiLetterOrDigit(name[0]) ? "task" : name)}-{digest}";
    }
}
