using System.CommandLine;
using System.Globalization;

namespace Floe.Cli.Console;

/// <summary>Options that take an amount, or one of a few words, and that no variable gives.</summary>
internal static class Amounts
{
    private const long GiB = 1L << 30;

    /// <summary>A size in GiB: 64, 64GiB, 64G, 65536MiB, 1.5TiB. Null when not given.</summary>
    public static Option<double?> Memory(string name, string description)
    {
        var option = new Option<double?>(name)
        {
            HelpName = "SIZE",
            Description = description,
            CustomParser = result =>
            {
                // More than a pebibyte of memory is a slip of the pen.
                if (Sizes.TryParse(result.Tokens[0].Value, GiB) is { } bytes and <= GiB << 20)
                {
                    return (double)bytes / GiB;
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

    /// <summary>A whole number from <paramref name="least"/> on. Null when not given.</summary>
    public static Option<long?> Whole(string name, string help, long least, long most, string description)
    {
        var option = new Option<long?>(name)
        {
            HelpName = help,
            Description = description,
            CustomParser = result =>
            {
                var text = result.Tokens[0].Value;
                if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= least && number <= most)
                {
                    return number;
                }

                result.AddError($"{name} takes a whole number from {least} on; not '{text}'");
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
}
