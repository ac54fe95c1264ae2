using System.IO.Enumeration;

namespace Floe.FileSystem.Metadata;

/// <summary>
/// Which tags an object gets, by its name: <c>[.command.*|.exitcode](kind=log),[*](kind=data,temporary=true)</c>. The first rule with a pattern
/// that matches counts. '*' and '?' stand for any text and any character.
/// </summary>
public sealed class TagRules
{
    private readonly List<(string[] Patterns, List<KeyValuePair<string, string>> Tags)> _rules = [];

    private TagRules()
    {
    }

    public static TagRules None { get; } = new();

    /// <summary>Null and a one-line reason for text that is no list of rules. Empty text is none.</summary>
    public static TagRules? TryParse(string text, out string? error)
    {
        var rules = new TagRules();
        var rest = text.AsSpan().Trim();
        while (rest.Length > 0)
        {
            var close = rest.IndexOf(']');
            var end = rest.IndexOf(')');
            if (rest[0] != '[' || close < 2 || end < close || rest[close + 1] != '(')
            {
                error = $"'{rest}' is no tag rule; write [pattern|pattern](name=value,name=value),[…](…)";
                return null;
            }

            var tags = new List<KeyValuePair<string, string>>();
            foreach (var pair in rest[(close + 2)..end].ToString().Split([',', '&'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            {
                var equals = pair.IndexOf('=', StringComparison.Ordinal);
                if (equals is < 1 or > 128 || pair.Length - equals - 1 > 256)
                {
                    error = $"'{pair}' is no tag; write name=value, at most 128 and 256 characters";
                    return null;
                }

                tags.Add(new(pair[..equals], pair[(equals + 1)..]));
            }

            if (tags.Count > 10)
            {
                error = "an object has at most 10 tags";
                return null;
            }

            rules._rules.Add((rest[1..close].ToString().Split('|'), tags));
            rest = rest[(end + 1)..].Trim();
            if (rest.Length > 0 && rest[0] != ',')
            {
                error = $"'{rest}': rules are separated by ','";
                return null;
            }

            rest = rest.Length > 0 ? rest[1..].Trim() : rest;
        }

        error = null;
        return rules;
    }

    /// <param name="name">The last piece of the key.</param>
    public IReadOnlyList<KeyValuePair<string, string>> For(string name)
    {
        foreach (var (patterns, tags) in _rules)
        {
            if (patterns.Any(p => FileSystemName.MatchesSimpleExpression(p, name, ignoreCase: false)))
            {
                return tags;
            }
        }

        return [];
    }
}
