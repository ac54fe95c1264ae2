using System.Buffers;
using System.Globalization;
using System.Text;

namespace Floe.Cli.Console;

/// <summary>
/// What others wrote (a store, a task, a bucket) as a terminal may show it: on one line, and without characters that would move its cursor, change its
/// title or turn its text round. Not for --json, which has a notation of its own for them.
/// </summary>
internal static class Printable
{
    // Besides letters and digits of any script: what means itself in a shell anywhere in a word.
    private static readonly SearchValues<char> s_plain = SearchValues.Create("%+,-./:=@_^");

    /// <summary>Control characters, line separators, marks of direction and halves of characters as escapes: \n, \x1b, \u202e.</summary>
    public static string Text(string text)
    {
        if (!NeedsEscapes(text))
        {
            return text;
        }

        var safe = new StringBuilder(text.Length + 16);
        foreach (var rune in Runes(text))
        {
            safe.Append(Escape(rune) ?? rune.Text);
        }

        return safe.ToString();
    }

    /// <summary>The same of several lines, which stay.</summary>
    public static string Lines(string text) => string.Join('\n', text.ReplaceLineEndings("\n").Split('\n').Select(Text));

    /// <summary>A command as it could be typed: words that a shell would take apart are quoted.</summary>
    public static string Command(IEnumerable<string> words) => string.Join(' ', words.Select(Word));

    private static string Word(string word)
    {
        if (NeedsEscapes(word))
        {
            // Bash, zsh and newer POSIX shells know the escapes in this kind of quotes.
            var quoted = new StringBuilder("$'");
            foreach (var rune in Runes(word))
            {
                quoted.Append(rune.Text is "'" or "\\" ? $"\\{rune.Text}" : Escape(rune) ?? rune.Text);
            }

            return quoted.Append('\'').ToString();
        }

        return word.Length > 0 && word.All(c => char.IsLetterOrDigit(c) || s_plain.Contains(c)) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }

    private static bool NeedsEscapes(string text) => text.AsSpan().ContainsAnyExceptInRange(' ', '~') && Runes(text).Any(rune => Escape(rune) is not null);

    /// <summary>The characters, and what is half of one alone.</summary>
    private static IEnumerable<(string Text, int Code, UnicodeCategory Category)> Runes(string text)
    {
        for (var i = 0; i < text.Length;)
        {
            var length = Rune.TryGetRuneAt(text, i, out var rune) ? rune.Utf16SequenceLength : 1;
            yield return length > 1 || !char.IsSurrogate(text[i])
                ? (text.Substring(i, length), rune.Value, Rune.GetUnicodeCategory(rune))
                : (text.Substring(i, 1), text[i], UnicodeCategory.Surrogate);
            i += length;
        }
    }

    /// <summary>Null for what may be shown. Format characters are invisible, or turn the text round (U+202E); joiners (U+200C, U+200D) belong to words.</summary>
    private static string? Escape((string Text, int Code, UnicodeCategory Category) rune) => rune switch
    {
        { Code: '\n' } => "\\n",
        { Code: '\r' } => "\\r",
        { Code: '\t' } => "\\t",
        { Code: 0x200C or 0x200D } => null,
        { Category: UnicodeCategory.Control } when rune.Code < 0x80 => $"\\x{rune.Code:x2}",
        { Category: UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Surrogate }
            => rune.Code > 0xFFFF ? $"\\U{rune.Code:x8}" : $"\\u{rune.Code:x4}",
        _ => null,
    };
}
