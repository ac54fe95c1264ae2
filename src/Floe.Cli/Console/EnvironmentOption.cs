using System.CommandLine;
using System.CommandLine.Parsing;

namespace Floe.Cli.Console;

/// <summary>Options that FLOE_* variables give too. The command line wins over the variable, the variable over the default.</summary>
internal static class EnvironmentOption
{
    /// <summary>An option of text; null when neither the command line nor a variable says anything.</summary>
    /// <param name="other">One more variable, which counts where the option's own is not set.</param>
    public static Option<string?> Text(string name, string value, string description, string? fallback = null, string? other = null)
    {
        var variable = Variable(name);
        return new Option<string?>(name)
        {
            HelpName = value,
            Description = $"{description} [{variable}]",
            DefaultValueFactory = _ => Set(variable) ?? (other is null ? null : Set(other)) ?? fallback,
        };
    }

    /// <summary>Whether the command line itself has the option.</summary>
    public static bool IsGiven(ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>What the user gave an option's value by, for errors: "--key", or "FLOE_KEY".</summary>
    /// <param name="other">The other variable of <see cref="Text"/>.</param>
    public static string Source(ParseResult parsed, Option option, string? other = null) =>
        IsGiven(parsed, option) ? option.Name
        : Set(Variable(option.Name)) is not null ? Variable(option.Name)
        : other is not null && Set(other) is not null ? other : option.Name;

    /// <summary>One of a few words.</summary>
    public static Option<string> Choice(string name, string[] words, string fallback, string description)
    {
        var variable = Variable(name);
        var option = new Option<string>(name)
        {
            HelpName = string.Join('|', words),
            Description = $"{description} [{variable}]",
            DefaultValueFactory = _ => Set(variable) ?? fallback,
        };
        option.Validators.Add(result =>
        {
            var word = result.GetValueOrDefault<string>();
            if (!words.Contains(word))
            {
                result.AddError($"{(result.Implicit ? variable : name)} takes {string.Join(", ", words)}; not '{word}'");
            }
        });
        return option;
    }

    /// <summary>A switch; the variable turns it on with 1 or true.</summary>
    public static Option<bool> Switch(string name, string description)
    {
        var variable = Variable(name);
        var option = new Option<bool>(name)
        {
            Description = $"{description} [{variable}]",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable) is "1" or "true",
        };
        option.Validators.Add(result =>
        {
            if (result.Implicit && Environment.GetEnvironmentVariable(variable) is not (null or "" or "0" or "1" or "false" or "true") and var set)
            {
                result.AddError($"{variable} takes 1 or 0, true or false; not '{set}'");
            }
        });
        return option;
    }

    /// <summary>Folders: the option may be repeated, the variable separates them by ':'.</summary>
    public static Option<string[]> Folders(string name, string description)
    {
        var variable = Variable(name);
        var option = new Option<string[]>(name)
        {
            HelpName = "DIR",
            Description = $"{description} [{variable}, separated by ':']",
            DefaultValueFactory = _ => (Environment.GetEnvironmentVariable(variable) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries),
        };
        option.Validators.Add(result =>
        {
            foreach (var folder in result.GetValueOrDefault<string[]>() ?? [])
            {
                if (!folder.StartsWith('/'))
                {
                    result.AddError($"{(result.Implicit ? variable : name)} takes absolute paths; not '{folder}'");
                }
            }
        });
        return option;
    }

    /// <summary>A time in seconds, with bounds, which the help names.</summary>
    public static Option<double> Seconds(string name, double fallback, double least, double most, string description)
    {
        var variable = Variable(name);
        var option = new Option<double>(name)
        {
            HelpName = "SECONDS",
            Description = $"{description}; {least} to {most} [{variable}]",
            CustomParser = result => Parse(result.Tokens[0].Value),
            DefaultValueFactory = _ => Set(variable) is { } set ? Parse(set) : fallback,
        };
        option.Validators.Add(result =>
        {
            var seconds = result.GetValueOrDefault<double>();
            if (!(seconds >= least && seconds <= most))
            {
                result.AddError(result.Implicit
                    ? $"{variable} takes {least} to {most} seconds; not '{Environment.GetEnvironmentVariable(variable)}'"
                    : $"{name} takes {least} to {most} seconds; not '{result.Tokens[0].Value}'");
            }
        });
        return option;
    }

    /// <summary>NaN, which lies in no bounds, for what is no number.</summary>
    private static double Parse(string text) =>
        double.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var seconds) ? seconds : double.NaN;

    /// <summary>Null for a variable that is not set, or empty.</summary>
    private static string? Set(string variable) => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? text : null;

    private static string Variable(string option) => "FLOE_" + option.TrimStart('-').Replace('-', '_').ToUpperInvariant();
}
