using System.Text;

namespace Floe.Operations.Nextflow;

/// <summary>
/// Reads the assignments of a Nextflow configuration: the output of <c>nextflow config -flat</c> (<c>aws.batch.volumes = '…'</c>) or a
/// plain file with its blocks. It is no Groovy: what is not an assignment, a block or an include is passed over, and expressions are kept
/// as text. Selectors become part of the path: <c>process.withName:FOO.memory</c>. Hostile input ends in less being read, never in an error.
/// </summary>
internal sealed class ConfigReader
{
    private const int MaxDepth = 40;

    private readonly string _text;
    private readonly List<ConfigEntry> _entries = [];
    private readonly List<ConfigEntry> _includes = [];
    private int _at;
    private int _line = 1;

    private ConfigReader(string text) => _text = text;

    public static NextflowConfig Read(string text)
    {
        var reader = new ConfigReader(text.ReplaceLineEndings("\n"));
        while (reader._at < reader._text.Length)
        {
            reader.Block("", 0);

            // A '}' too many.
            reader.Next();
        }

        return new NextflowConfig(reader._entries, reader._includes);
    }

    private char Here => _at < _text.Length ? _text[_at] : '\0';

    private char Ahead(int by) => _at + by < _text.Length ? _text[_at + by] : '\0';

    private void Next()
    {
        if (Here == '\n')
        {
            _line++;
        }

        _at = Math.Min(_at + 1, _text.Length);
    }

    /// <summary>Up to the '}' that ends it, which is left, or the end.</summary>
    private void Block(string path, int depth)
    {
        while (true)
        {
            SkipBlank();
            if (Here is '\0' or '}')
            {
                return;
            }

            var (start, line) = (_at, _line);
            if (Key() is not { } key)
            {
                SkipStatement();
                if (_at == start)
                {
                    Next();
                }

                continue;
            }

            SkipSpaces();
            var whole = path.Length == 0 ? key : $"{path}.{key}";
            if (Here == '=' && Ahead(1) != '=')
            {
                Next();
                _entries.Add(new ConfigEntry(whole, Expression(), line));
            }
            else if (Here == '{' && depth < MaxDepth && key is not ("if" or "else" or "def"))
            {
                Next();
                Block(whole, depth + 1);
                Next();
            }
            else if (key == "includeConfig")
            {
                _includes.Add(new ConfigEntry(key, Expression(), line));
            }
            else
            {
                SkipStatement();
            }
        }
    }

    /// <summary>Words, quoted words and selectors joined by dots; null when none is here.</summary>
    private string? Key()
    {
        var key = new StringBuilder();
        while (true)
        {
            if (Here is '\'' or '"')
            {
                key.Append(Unquote(Quoted()));
            }
            else if (char.IsAsciiLetter(Here) || Here is '_' or '$')
            {
                while (char.IsAsciiLetterOrDigit(Here) || Here is '_' or '$' or '-')
                {
                    key.Append(Here);
                    Next();
                }

                // withName: 'FOO|BAR' { … }
                if (Here == ':' && key.ToString() is var word && (word.EndsWith("withName", StringComparison.Ordinal) || word.EndsWith("withLabel", StringComparison.Ordinal)))
                {
                    key.Append(':');
                    Next();
                    SkipSpaces();
                    if (Here is '\'' or '"')
                    {
                        key.Append(Unquote(Quoted()));
                    }
                    else
                    {
                        while (!char.IsWhiteSpace(Here) && Here is not ('{' or '.' or '\0'))
                        {
                            key.Append(Here);
                            Next();
                        }
                    }
                }
            }
            else
            {
                return null;
            }

            if (Here != '.')
            {
                return key.ToString();
            }

            key.Append('.');
            Next();
        }
    }

    /// <summary>Text up to the end of the line, or further while brackets are open; without comments.</summary>
    private string Expression()
    {
        SkipSpaces();
        var text = new StringBuilder();
        var open = 0;
        while (Here != '\0')
        {
            if (Here is '\'' or '"')
            {
                text.Append(Quoted());
                continue;
            }

            if (Comment())
            {
                continue;
            }

            if (Here is '{' or '[' or '(')
            {
                open++;
            }
            else if (Here is '}' or ']' or ')')
            {
                if (open == 0)
                {
                    break;
                }

                open--;
            }
            else if (open == 0 && Here is '\n' or ';')
            {
                break;
            }

            text.Append(Here);
            Next();
        }

        return text.ToString().Trim();
    }

    private void SkipStatement() => Expression();

    private string Quoted()
    {
        var (start, quote) = (_at, Here);
        var triple = Ahead(1) == quote && Ahead(2) == quote;
        for (var i = 0; i < (triple ? 3 : 1); i++)
        {
            Next();
        }

        while (Here != '\0')
        {
            if (Here == '\\')
            {
                Next();
            }
            else if (Here == quote && (!triple || (Ahead(1) == quote && Ahead(2) == quote)))
            {
                for (var i = 0; i < (triple ? 3 : 1); i++)
                {
                    Next();
                }

                break;
            }
            else if (Here == '\n' && !triple)
            {
                // Never closed: it ends with its line.
                break;
            }

            Next();
        }

        return _text[start.._at];
    }

    private bool Comment()
    {
        if (Here != '/' || Ahead(1) is not ('/' or '*'))
        {
            return false;
        }

        if (Ahead(1) == '/')
        {
            while (Here is not ('\n' or '\0'))
            {
                Next();
            }
        }
        else
        {
            var end = _text.IndexOf("*/", _at + 2, StringComparison.Ordinal);
            var until = end < 0 ? _text.Length : end + 2;
            while (_at < until)
            {
                Next();
            }
        }

        return true;
    }

    private void SkipBlank()
    {
        while (Here != '\0' && (char.IsWhiteSpace(Here) || Here == ';' || Comment()))
        {
            if (char.IsWhiteSpace(Here) || Here == ';')
            {
                Next();
            }
        }
    }

    private void SkipSpaces()
    {
        while (Here is ' ' or '\t')
        {
            Next();
        }
    }

    internal static string Unquote(string text)
    {
        var t = text.Trim();
        foreach (var quote in (string[])["\"\"\"", "'''", "\"", "'"])
        {
            if (t.Length >= quote.Length * 2 && t.StartsWith(quote, StringComparison.Ordinal) && t.EndsWith(quote, StringComparison.Ordinal))
            {
                return t[quote.Length..^quote.Length];
            }
        }

        return t;
    }
}
