namespace Floe.Operations.Tests.Forge;

/// <summary>A block, with its attributes as written.</summary>
internal sealed record HclBlock(string Type, IReadOnlyList<string> Labels, Dictionary<string, string> Attributes, List<HclBlock> Blocks)
{
    public IEnumerable<HclBlock> All => Blocks.SelectMany(b => b.All).Prepend(this);
}

/// <summary>
/// The native syntax of HCL, as far as configurations without heredocs and operators go: blocks, attributes, strings with their templates, lists,
/// objects, calls, references. Throws a FormatException with the place of what is not that.
/// </summary>
internal sealed class HclReader
{
    private readonly string _text;
    private int _at;

    private HclReader(string text) => _text = text;

    public static HclBlock Read(string text)
    {
        var reader = new HclReader(text);
        var root = new HclBlock("", [], [], []);
        reader.Body(root, '\0');
        return root;
    }

    private char Now => _at < _text.Length ? _text[_at] : '\0';

    private void Body(HclBlock block, char end)
    {
        for (Skip(newlines: true); Now != end; Skip(newlines: true))
        {
            var name = Identifier();
            Skip(newlines: false);
            if (Now == '=')
            {
                _at++;
                Skip(newlines: false);
                var from = _at;
                Expression();
                if (!block.Attributes.TryAdd(name, _text[from.._at]))
                {
                    throw Wrong($"'{name}' is set twice");
                }

                EndOfLine();
                continue;
            }

            var labels = new List<string>();
            for (; Now == '"'; Skip(newlines: false))
            {
                var from = _at;
                String();
                labels.Add(_text[(from + 1)..(_at - 1)]);
            }

            Take('{');
            EndOfLine();
            var inner = new HclBlock(name, labels, [], []);
            Body(inner, '}');
            Take('}');
            EndOfLine();
            block.Blocks.Add(inner);
        }
    }

    private void Expression()
    {
        switch (Now)
        {
            case '"':
                String();
                break;
            case '[':
                Sequence('[', ']', Expression);
                break;
            case '{':
                Sequence('{', '}', Member);
                break;
            case >= '0' and <= '9':
                while (char.IsAsciiDigit(Now))
                {
                    _at++;
                }

                break;
            default:
                Identifier();
                while (Now == '.')
                {
                    _at++;
                    Identifier();
                }

                if (Now == '(')
                {
                    Sequence('(', ')', Expression);
                }

                break;
        }
    }

    /// <summary>Entries are set apart by commas; those of an object by ends of lines too.</summary>
    private void Sequence(char open, char close, Action entry)
    {
        Take(open);
        for (Skip(newlines: true); Now != close; Skip(newlines: true))
        {
            entry();
            var from = _at;
            Skip(newlines: true);
            if (Now == ',')
            {
                _at++;
            }
            else if (Now != close && !(open == '{' && _text[from.._at].Contains('\n')))
            {
                throw Wrong($"expected ',' or '{close}'");
            }
        }

        Take(close);
    }

    private void Member()
    {
        if (Now == '"')
        {
            String();
        }
        else
        {
            Identifier();
        }

        Skip(newlines: false);
        Take('=');
        Skip(newlines: false);
        Expression();
    }

    private void String()
    {
        Take('"');
        while (Now != '"')
        {
            if (Now is '\0' or '\n')
            {
                throw Wrong("a string does not end");
            }

            if (Now == '\\' && _text[_at + 1] is not ('n' or 'r' or 't' or '"' or '\\' or 'u'))
            {
                throw Wrong("an escape that is none");
            }

            if (Now is '$' or '%' && _text[_at + 1] == '{' && !(_at > 0 && _text[_at - 1] == Now))
            {
                throw Wrong("something in a string that would be worked out");
            }

            _at += Now == '\\' ? 2 : 1;
        }

        _at++;
    }

    private string Identifier()
    {
        var from = _at;
        while (char.IsAsciiLetterOrDigit(Now) || Now is '_' or '-')
        {
            _at++;
        }

        return _at > from && !char.IsAsciiDigit(_text[from]) ? _text[from.._at] : throw Wrong("expected a name");
    }

    private void EndOfLine()
    {
        Skip(newlines: false);
        if (Now is not ('\n' or '\0' or '}'))
        {
            throw Wrong("expected the end of the line");
        }
    }

    private void Skip(bool newlines)
    {
        while (Now is ' ' || (newlines && Now == '\n') || Now == '#')
        {
            if (Now == '#')
            {
                _at = _text.IndexOf('\n', _at) is >= 0 and var end ? end : _text.Length;
            }
            else
            {
                _at++;
            }
        }
    }

    private void Take(char wanted)
    {
        if (Now != wanted)
        {
            throw Wrong($"expected '{wanted}'");
        }

        _at++;
    }

    private FormatException Wrong(string what) => new($"line {_text.AsSpan(0, _at).Count('\n') + 1}: {what}, not '{Now}'");
}
