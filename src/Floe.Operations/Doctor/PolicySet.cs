using System.Text.Json;

namespace Floe.Operations.Doctor;

/// <summary>
/// What a role's own policies allow, by the rules of IAM: an explicit denial wins, then an allowance. Conditions are not evaluated: an
/// allowance with one counts, a denial with one does not. Boundaries, organisations and bucket policies are not seen.
/// </summary>
public sealed class PolicySet
{
    private sealed record Statement(bool Allows, bool HasCondition, IReadOnlyList<string> Actions, bool NotActions, IReadOnlyList<string> Resources, bool NotResources);

    private readonly List<Statement> _statements = [];

    /// <summary>Policies that are no valid JSON are counted in <see cref="Unreadable"/>.</summary>
    public PolicySet(IEnumerable<string> documents)
    {
        foreach (var text in documents)
        {
            try
            {
                using var document = JsonDocument.Parse(text);
                var statements = document.RootElement.GetProperty("Statement");
                foreach (var statement in statements.ValueKind == JsonValueKind.Array ? statements.EnumerateArray() : new[] { statements }.AsEnumerable())
                {
                    _statements.Add(Read(statement));
                }
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                Unreadable++;
            }
        }
    }

    public int Unreadable { get; }

    public bool Allows(string action, string resource)
    {
        var matching = _statements.Where(s => Matches(s, action, resource)).ToList();
        return matching.Any(s => s.Allows) && !matching.Any(s => !s.Allows && !s.HasCondition);
    }

    /// <summary>Whether any resource at all is allowed for the action, and not all of them denied.</summary>
    public bool AllowsSomewhere(string action) =>
        _statements.Any(s => s.Allows && Matches(s, action)) && !_statements.Any(s => !s.Allows && !s.HasCondition && Matches(s, action) && !s.NotResources && s.Resources.Contains("*"));

    private static bool Matches(Statement s, string action) => s.NotActions != s.Actions.Any(pattern => Like(pattern, action, ignoreCase: true));

    private static bool Matches(Statement s, string action, string resource) =>
        Matches(s, action) && s.NotResources != s.Resources.Any(pattern => Like(pattern, resource, ignoreCase: false));

    private static Statement Read(JsonElement statement)
    {
        var (actions, notActions) = Texts(statement, "Action", "NotAction");
        var (resources, notResources) = Texts(statement, "Resource", "NotResource");
        return new Statement(statement.GetProperty("Effect").GetString() == "Allow", statement.TryGetProperty("Condition", out _), actions, notActions, resources, notResources);
    }

    private static (IReadOnlyList<string> Texts, bool Not) Texts(JsonElement statement, string name, string notName)
    {
        var not = !statement.TryGetProperty(name, out var value);
        if (not && !statement.TryGetProperty(notName, out value))
        {
            return ([], false);
        }

        return (value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray().Select(v => v.GetString() ?? "")] : [value.GetString() ?? ""], not);
    }

    /// <summary>'*' is any text, '?' any character. Linear in the text: no pattern can make it slow.</summary>
    internal static bool Like(string pattern, string text, bool ignoreCase)
    {
        var (p, t, star, from) = (0, 0, -1, 0);
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                (star, from) = (p++, t);
            }
            else if (p < pattern.Length && (pattern[p] == '?' || pattern[p] == text[t] || (ignoreCase && char.ToLowerInvariant(pattern[p]) == char.ToLowerInvariant(text[t]))))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                (p, t) = (star + 1, ++from);
            }
            else
            {
                return false;
            }
        }

        return pattern.AsSpan(p).Trim('*').IsEmpty;
    }
}
