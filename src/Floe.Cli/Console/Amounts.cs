using System.CommandLine;
using System.Globalization;

namespace Floe.Cli.Console;

/// <summary>Options that take an amount, or one of a few words, and that no variable gives.</summary>
internal static class Amounts
{
    /// <summary>A size in GiB: 64, 64GiB, 64G, 65536MiB, 1.5TiB. Null when not given.</summary>
    public static Option<double?> Memory(string name, string description)
    {
        var option = new Option<double?>(name)
        {
            HelpName = "SIZE",
            Description = description,
            CustomParser = result =>
            {
                if (TryParseGiB(result.Tokens[0].Value) is { } gib)
                {
                    return gib;
                }

                result.AddError($"{name} takes a size like 64GiB or 1.5TiB; not '{result.Tokens[0].Value}'");
                return null;
            },
        };
        return option;
    }

    /// <summary>A number with bounds.</summary>
    public static Option<double?> Number(string name, string help, double least, double most, string description)
    {
        var option = new Option<double?>(name)
        {
            HelpName = help,
            Description = description,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
                {
                    return number;
                }

                result.AddError($"{name} takes a number from {least} to {most}; not '{text}'");
                return null;
            },
        };
        return option;
    }

    /// <summary>One of a few words.</summary>
    public static Option<string> Word(string name, string[] words, string fallback, string description)
    {
        var option = new Option<string>(name) { HelpName = string.Join('|', words), Description = description, DefaultValueFactory = _ => fallback };
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string>() is { } word && !words.Contains(word))
            {
                result.AddError($"{name} takes {string.Join(", ", words)}; not '{word}'");
            }
        });
        return option;
    }

    internal static double? TryParseGiB(string text)
    {
        var digits = text.AsSpan().TrimEnd("KMGTPiBkmgtpb");
        var unit = text[digits.Length..].ToUpperInvariant().TrimEnd('B').TrimEnd('I');
        double? factor = unit switch { "" or "G" => 1, "M" => 1 / 1024.0, "K" => 1 / 1048576.0, "T" => 1024, _ => null };
        return factor is { } f && double.TryParse(digits.TrimEnd(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * f is > 0 and <= 1 << 20 and var gib ? gib : null;
    }
}
