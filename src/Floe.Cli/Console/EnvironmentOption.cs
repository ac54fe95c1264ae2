using System.CommandLine;
using System.CommandLine.Parsing;

namespace Floe.Cli.Console;

/// <summary>Options that FLOE_* variables give too. The command line wins over the variable, the variable over the default.</summary>
internal static class EnvironmentOption
{
    /// <summary>An option of text; null when neither the command line nor the variable says anything.</summary>
    public static Option<string?> Text(string name, string value, string description, string? fallback = null)
    {
        var variable = Variable(name);
        return new Option<string?>(name)
        {
            HelpName = value,
            Description = $"{description} [{variable}]",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : fallback,
        };
    }

    /// <summary>One of a few words.</summary>
    public static Option<string> Choice(string name, string[] words, string fallback, string description)
    {
        var variable = Variable(name);
        var option = new Option<string>(name)
        {
            HelpName = string.Join('|', words),
            Description = $"{description} [{variable}]",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? set : fallback,
        };
        option.Validators.Add(result =>
        {
            var word = result.GetValueOrDefault<string>();
            if (!words.Contains(word))
            {
                result.AddError($"{name} takes {string.Join(", ", words)}; not '{word}'");
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
                    result.AddError($"{name} takes absolute paths; not '{folder}'");
                }
            }
        });
        return option;
    }

    /// <summary>A time in seconds, with bounds.</summary>
    public static Option<double> Seconds(string name, double fallback, double least, double most, string description)
    {
        var variable = Variable(name);
        var option = new Option<double>(name)
        {
            HelpName = "SECONDS",
            Description = $"{description} [{variable}]",
            CustomParser = result => Parse(result.Tokens[0].Value),
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable(variable) is { Length: > 0 } set ? Parse(set) : fallback,
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

    private static string Variable(string option) => "FLOE_" + option.TrimStart('-').Replace('-', '_').ToUpperInvariant();
}
