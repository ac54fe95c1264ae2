using System.Text.Json;
using System.Text.Json.Nodes;
using Floe.Operations.Forge;

namespace Floe.Cli.Console;

/// <summary>A plan of `floe forge` as people read it: a diff.</summary>
internal static class ForgeText
{
    // Beyond these a diff is no longer worked out line by line.
    private const int MaxLines = 2000;

    public static void Print(ForgePlan plan)
    {
        foreach (var step in plan.Steps)
        {
            var (sign, note) = step.Action switch
            {
                ForgeAction.Create => ("+", ""),
                ForgeAction.Update => ("~", ""),
                ForgeAction.Delete => ("-", ""),
                ForgeAction.Refuse => ("!", " is there already and belongs to somebody else"),
                _ => ("=", ""),
            };
            System.Console.WriteLine($"{sign} {step.Title}{note}");
            if (step.Action is ForgeAction.Create or ForgeAction.Update)
            {
                foreach (var change in step.Changes)
                {
                    Print(change);
                }
            }
        }

        int Count(ForgeAction action) => plan.Steps.Count(s => s.Action == action);
        System.Console.WriteLine($"{plan.Name} in {plan.Region}: {Count(ForgeAction.Create)} to create, {Count(ForgeAction.Update)} to update, {Count(ForgeAction.Delete)} to delete, {Count(ForgeAction.Keep)} as they should be"
            + (Count(ForgeAction.Refuse) > 0 ? $", {Count(ForgeAction.Refuse)} that belong to somebody else" : ""));
    }

    private static void Print(ForgeChange change)
    {
        var (from, to) = (Lines(change.From), Lines(change.To));
        if (from.Count <= 1 && to.Count <= 1)
        {
            var (was, willBe) = (from.FirstOrDefault(""), to.FirstOrDefault(""));
            System.Console.WriteLine(change.From is null ? $"    {change.Property}: {willBe}" : $"    {change.Property}: {was} -> {willBe}");
            return;
        }

        System.Console.WriteLine($"    {change.Property}:");
        if (from.Count > MaxLines || to.Count > MaxLines)
        {
            System.Console.WriteLine($"      {from.Count} lines -> {to.Count} lines");
            return;
        }

        foreach (var (sign, line) in LineDiff.Of(from, to).Where(l => l.Sign != ' '))
        {
            System.Console.WriteLine($"      {sign} {line}");
        }
    }

    /// <summary>A policy has one line for each statement.</summary>
    internal static IReadOnlyList<string> Lines(string? text)
    {
        if (text is not ['{', ..])
        {
            return text is null ? [] : text.Split('\n');
        }

        try
        {
            return JsonNode.Parse(text)?["Statement"] is JsonArray statements ? [.. statements.Select(Statement)] : [text];
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return [text];
        }
    }

    private static string Statement(JsonNode? statement)
    {
        if (statement is not JsonObject o || !o.All(m => m.Key is "Sid" or "Effect" or "Action" or "Resource" or "Principal"))
        {
            return statement?.ToJsonString() ?? "null";
        }

        var who = o["Principal"] is { } principal ? $" to {(principal is JsonObject { Count: 1 } one ? Words(one.First().Value) : principal.ToJsonString())}" : "";
        var where = o["Resource"] is { } resource ? $" on {Words(resource)}" : "";
        return $"{Words(o["Effect"])} {Words(o["Action"])}{who}{where}";
    }

    private static string Words(JsonNode? node) => node switch
    {
        JsonArray list => string.Join(", ", list.Select(Words)),
        JsonValue value when value.TryGetValue<string>(out var word) => word,
        _ => node?.ToJsonString() ?? "nothing",
    };
}
