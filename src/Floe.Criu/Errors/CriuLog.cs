using System.Text;

namespace Floe.Criu.Errors;

/// <summary>Reads CRIU's log: <c>(00.012345) Error (criu/file.c:123): what happened</c>.</summary>
internal static class CriuLog
{
    private const int TailBytes = 256 * 1024;
    private const int MaxLines = 20;

    /// <summary>The last error lines, without time stamps; none when there is no log.</summary>
    public static IReadOnlyList<string> Errors(string path)
    {
        string text;
        try
        {
            using var log = File.OpenRead(path);
            log.Seek(-Math.Min(TailBytes, log.Length), SeekOrigin.End);
            using var reader = new StreamReader(log, Encoding.UTF8);
            text = reader.ReadToEnd();
        }
        catch (IOException)
        {
            return [];
        }

        return ErrorsIn(text);
    }

    internal static IReadOnlyList<string> ErrorsIn(string text)
    {
        var lines = new List<string>();
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var at = line.IndexOf("Error (", StringComparison.Ordinal);
            if (at >= 0 && (at == 0 || line[0] == '(' || char.IsAsciiDigit(line[0])))
            {
                lines.Add(line[at..].TrimEnd().ToString());
            }
        }

        return lines.Count <= MaxLines ? lines : [.. lines[..(MaxLines / 2)], .. lines[^(MaxLines / 2)..]];
    }
}
