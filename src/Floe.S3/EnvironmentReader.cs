namespace Floe.S3;

/// <summary>Typed values from environment variables; keeps the first mistake as a line for the user. An empty variable counts as unset.</summary>
internal sealed class EnvironmentReader(Func<string, string?> variable)
{
    public string? Error { get; private set; }

    public void Fail(string message) => Error ??= message;

    /// <summary>The first of the variables that is set.</summary>
    public string? Text(params ReadOnlySpan<string> names) => Find(names).Value;

    public Uri? HttpUrl(params ReadOnlySpan<string> names)
    {
        var (name, text) = Find(names);
        if (text is null)
        {
            return null;
        }

        // User information would end up in messages; a query or fragment has no meaning here.
        if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "http" or "https"
            && url.UserInfo.Length == 0 && url.Query.Length == 0 && url.Fragment.Length == 0)
        {
            return url;
        }

        Fail($"{name} is no http:// or https:// address");
        return null;
    }

    public T? Choice<T>(ReadOnlySpan<string> names, params ReadOnlySpan<(string Text, T? Value)> choices)
        where T : struct
    {
        var (name, text) = Find(names);
        if (text is null)
        {
            return null;
        }

        foreach (var choice in choices)
        {
            if (choice.Text.Equals(text, StringComparison.OrdinalIgnoreCase))
            {
                return choice.Value;
            }
        }

        Fail($"{name} is '{text}'; it may be '{choices[0].Text}' or '{choices[1].Text}'");
        return null;
    }

    public int? Number(string name, int min, int max)
    {
        var text = Text(name);
        if (text is null)
        {
            return null;
        }

        if (int.TryParse(text, out var value) && value >= min && value <= max)
        {
            return value;
        }

        Fail($"{name} is '{text}'; it must be a number from {min} to {max}");
        return null;
    }

    private (string Name, string? Value) Find(ReadOnlySpan<string> names)
    {
        foreach (var name in names)
        {
            if (variable(name) is { Length: > 0 } text)
            {
                return (name, text);
            }
        }

        return (names[0], null);
    }
}
