using System.Globalization;

namespace Floe.Operations.Nextflow;

/// <param name="Path">Like aws.batch.maxSpotAttempts.</param>
/// <param name="Text">The expression as written.</param>
public sealed record ConfigEntry(string Path, string Text, int Line)
{
    /// <summary>Without its quotes; as written when it has none.</summary>
    public string Word => ConfigReader.Unquote(Text);

    /// <summary>Null when it is neither true nor false.</summary>
    public bool? Truth => Word switch { "true" => true, "false" => false, _ => null };

    public int? Number => int.TryParse(Word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;

    /// <summary>The words of a list, or the one word that it is. Commas separate volumes in a string too.</summary>
    public IReadOnlyList<string> Words => Text.StartsWith('[') && Text.EndsWith(']')
        ? [.. Text[1..^1].Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(ConfigReader.Unquote)]
        : [.. Word.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];

    /// <summary>Something that only Nextflow can work out.</summary>
    public bool IsExpression => Text.Length > 0 && Word == Text && Truth is null && Number is null && !Text.StartsWith('[') && Text != "null";
}

/// <summary>What a configuration sets. The last assignment of a path counts.</summary>
public sealed class NextflowConfig(IReadOnlyList<ConfigEntry> entries, IReadOnlyList<ConfigEntry> includes)
{
    private const string Profiles = "profiles.";

    public IReadOnlyList<ConfigEntry> Entries => entries;

    /// <summary>Other files that it wants to have read, which nobody has.</summary>
    public IReadOnlyList<ConfigEntry> Includes => includes;

    public static NextflowConfig Read(string text) => ConfigReader.Read(text);

    /// <summary>Null when it is not set.</summary>
    public ConfigEntry? Find(string path) => entries.LastOrDefault(e => e.Path == path);

    /// <summary>Assignments of a process directive: for all, and by selector.</summary>
    public IEnumerable<ConfigEntry> Directive(string name) =>
        entries.Where(e => e.Path == $"process.{name}" || (e.Path.StartsWith("process.with", StringComparison.Ordinal) && e.Path.EndsWith("." + name, StringComparison.Ordinal)));

    /// <summary>As <c>-profile</c> would have it: their assignments after the others, in the order named.</summary>
    /// <exception cref="KeyNotFoundException">There is no such profile; the message is one line for the user.</exception>
    public NextflowConfig WithProfiles(IEnumerable<string> names)
    {
        var all = entries.Where(e => !e.Path.StartsWith(Profiles, StringComparison.Ordinal)).ToList();
        foreach (var name in names)
        {
            var prefix = $"{Profiles}{name}.";
            var own = entries.Where(e => e.Path.StartsWith(prefix, StringComparison.Ordinal)).ToList();
            if (own.Count == 0)
            {
                var known = ProfileNames();
                throw new KeyNotFoundException($"there is no profile '{name}'" + (known.Count > 0 ? $"; there are {string.Join(", ", known)}" : " in this configuration"));
            }

            all.AddRange(own.Select(e => e with { Path = e.Path[prefix.Length..] }));
        }

        return new NextflowConfig(all, includes);
    }

    public IReadOnlyList<string> ProfileNames() =>
        [.. entries.Where(e => e.Path.StartsWith(Profiles, StringComparison.Ordinal)).Select(e => e.Path[Profiles.Length..].Split('.')[0]).Distinct()];
}
