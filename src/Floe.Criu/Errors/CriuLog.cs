using System.Text;

namespace Floe.Criu.Errors;

/// <summary>Reads CRIU's log: <c>(00.012345) pie: 1001: Error (criu/file.c:123): what happened</c>, time and origin optional.</summary>
internal static class CriuLog
{
    private const int TailBytes = 256 * 1024;
    private const int MaxLines = 20;

    /// <summary>
    /// The error lines of the log's last 256 KiB, without time stamps; without any, what CRIU said to
    /// <paramref name="outputPath"/> before it had a log.
    /// </summary>
    public static IReadOnlyList<string> Errors(string path, string outputPath)
    {
        var errors = ErrorsIn(Tail(path));
        return errors.Count > 0 ? errors : [.. Tail(outputPath).Split('\n', StringSplitOptions.RemoveEmptyEntries).Take(MaxLines)];
    }

    private static string Tail(string path)
    {
        try
        {
            using var log = File.OpenRead(path);
            log.Seek(-Math.Min(TailBytes, log.Length), SeekOrigin.End);
            using var reader = new StreamReader(log, Encoding.UTF8);
            return reader.ReadToEnd();
        }
        catch (IOException)
        {
            return "";
        }
    }

    internal static IReadOnlyList<string> ErrorsIn(string text)
    {
        var lines = new List<string>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var at = line.IndexOf("Error (", StringComparison.Ordinal);
            if (at >= 0)
            {
                lines.Add(line[at..].TrimEnd().ToString());
            }
        }

        return lines.Count <= MaxLines ? lines : [.. lines[..(MaxLines / 2)], .. lines[^(MaxLines / 2)..]];
    }
}
