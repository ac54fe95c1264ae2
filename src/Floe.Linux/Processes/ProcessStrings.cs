using System.Collections;
using System.Text;

namespace Floe.Linux.Processes;

/// <summary>This program's arguments and environment as the kernel has them: bytes, valid UTF-8 or not.</summary>
public static class ProcessStrings
{
    /// <summary>argv, byte for byte.</summary>
    public static IReadOnlyList<byte[]> Arguments() => Split(File.ReadAllBytes("/proc/self/cmdline"));

    /// <summary>The environment at the start, with the variables that were set, changed or removed since through .NET.</summary>
    /// <param name="withThoseWithheld">
    /// Also what libc took away at the start of a set-user-id program (LD_LIBRARY_PATH, TMPDIR, …): for a program that has no root, never for our own.
    /// </param>
    public static IReadOnlyList<byte[]> Environment(bool withThoseWithheld = false)
    {
        var now = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (DictionaryEntry entry in System.Environment.GetEnvironmentVariables())
        {
            now[(string)entry.Key] = (string?)entry.Value ?? "";
        }

        var result = new List<byte[]>();
        foreach (var entry in Split(File.ReadAllBytes("/proc/self/environ")))
        {
            var equals = Array.IndexOf(entry, (byte)'=');
            if (equals <= 0)
            {
                continue;
            }

            var name = Encoding.UTF8.GetString(entry.AsSpan(0, equals));
            if (!now.Remove(name, out var value))
            {
                if (withThoseWithheld)
                {
                    result.Add(entry);
                }

                continue;
            }

            var unchanged = Encoding.UTF8.GetString(entry.AsSpan(equals + 1)) == value;
            result.Add(unchanged ? entry : Encoding.UTF8.GetBytes($"{name}={value}"));
        }

        result.AddRange(now.Select(pair => Encoding.UTF8.GetBytes($"{pair.Key}={pair.Value}")));
        return result;
    }

    private static List<byte[]> Split(byte[] text)
    {
        var items = new List<byte[]>();
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == 0)
            {
                items.Add(text[start..i]);
                start = i + 1;
            }
        }

        return items;
    }
}
