using System.Globalization;
using Floe.Agent.Trace;

namespace Floe.Operations.Reporting;

/// <summary>A price that held from a time on.</summary>
/// <param name="PerHour">Of a whole machine, US dollars as EC2 tells it.</param>
public sealed record PricePoint(DateTimeOffset From, double PerHour);

/// <summary>What an hour of a machine costs, as the user gave it or as EC2's Spot history tells it.</summary>
public sealed class PriceList
{
    private readonly Dictionary<string, double> _given;
    private readonly double? _forAll;
    private readonly IReadOnlyDictionary<(string Type, string Zone), IReadOnlyList<PricePoint>> _history;
    private readonly double _share;

    private PriceList(
        Dictionary<string, double> given, double? forAll, IReadOnlyDictionary<(string, string), IReadOnlyList<PricePoint>> history, double share)
    {
        (_given, _forAll, _history, _share) = (given, forAll, history, share);
        Origin = (given.Count > 0 || forAll is not null, history.Count > 0) switch
        {
            (true, true) => "given, else EC2 Spot price history",
            (true, false) => "given",
            (false, true) => "EC2 Spot price history",
            _ => null,
        };
    }

    public static PriceList None { get; } = new([], null, new Dictionary<(string, string), IReadOnlyList<PricePoint>>(), 1);

    /// <summary>One phrase for people; null when there are no prices.</summary>
    public string? Origin { get; }

    /// <param name="texts">"0.35" for all types, or "c6i.8xlarge=0.41".</param>
    /// <param name="share">The part of a machine that one task pays for, above 0 up to 1.</param>
    /// <exception cref="FormatException">A text is no price; the message is one line for the user.</exception>
    public static PriceList Of(
        IEnumerable<string> texts, IReadOnlyDictionary<(string, string), IReadOnlyList<PricePoint>> history, double share)
    {
        var given = new Dictionary<string, double>(StringComparer.Ordinal);
        double? forAll = null;
        foreach (var text in texts)
        {
            var equals = text.IndexOf('=');
            if (!double.TryParse(text.AsSpan(equals + 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var price)
                || !(price >= 0 && price < 100_000) || equals == 0)
            {
                throw new FormatException($"'{text}' is no price; write 0.35 (an hour of any machine) or c6i.8xlarge=0.41");
            }

            if (equals < 0)
            {
                forAll = price;
            }
            else
            {
                given[text[..equals]] = price;
            }
        }

        return new PriceList(given, forAll, history, share);
    }

    /// <summary>What a task pays for an hour of the machine, its share taken into account, in the currency of the prices; null when nobody knows.</summary>
    public double? PerHour(TraceMachine? machine, DateTimeOffset at)
    {
        if (machine?.InstanceType is { } type)
        {
            if (_given.TryGetValue(type, out var price))
            {
                return price * _share;
            }

            if (_forAll is null && machine.AvailabilityZone is { } zone && _history.TryGetValue((type, zone), out var points) && points.Count > 0)
            {
                return (points.LastOrDefault(p => p.From <= at) ?? points[0]).PerHour * _share;
            }
        }

        return _forAll * _share;
    }
}
