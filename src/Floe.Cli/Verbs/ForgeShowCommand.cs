using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization;
using Floe.Agent;
using Floe.Cli.Console;
using Floe.Operations.Forge;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Verbs;

/// <summary><c>floe forge show</c>: what there is of an environment.</summary>
internal static class ForgeShowCommand
{
    private static readonly Option<string> s_name = ForgeOption.Name();
    private static readonly Option<string?> s_region = AwsOption.Region();
    private static readonly Option<bool> s_userData = new("--user-data") { Description = "Print what a machine does when it starts, and nothing else" };
    private static readonly Option<bool> s_json = new("--json") { Description = "Print JSON" };

    public static Command Build(Func<ILoggerFactory> log)
    {
        var command = new Command("show", """
            Print the resources of an environment as AWS has them.

            Example:
              floe forge show --name floe --region eu-central-1
            """);
        foreach (var option in (Option[])[s_name, s_region, s_userData, s_json])
        {
            command.Options.Add(option);
        }

        command.SetAction((parsed, cancellationToken) => RunAsync(parsed, log(), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, ILoggerFactory log, CancellationToken cancellationToken)
    {
        if (parsed.GetValue(s_userData))
        {
            System.Console.Write(ForgeSpec.MachineScript);
            return 0;
        }

        using var client = AwsOption.Open(parsed.GetValue(s_region), log);
        var name = parsed.GetValue(s_name)!;
        var region = await client.RegionAsync(cancellationToken).ConfigureAwait(false);
        var found = await new Forger(client, ForgeOption.Bare(name, region), TimeProvider.System, static _ => { }).ShowAsync(cancellationToken).ConfigureAwait(false);
        if (found.Count == 0)
        {
            throw new FloeException(1, $"there is no environment '{name}' in {region}; 'floe forge create' makes one");
        }

        if (parsed.GetValue(s_json))
        {
            System.Console.WriteLine(JsonSerializer.Serialize(found, ForgeShowJson.Default.IReadOnlyListActualResource));
            return 0;
        }

        foreach (var actual in found)
        {
            System.Console.WriteLine($"{actual.Resource.Title}{(actual.Owner == name ? "" : " (not of this environment)")}{(actual.Status is null ? "" : $": {actual.Status}{(actual.Status == "VALID" ? "" : $" {actual.StatusReason}")}")}");
            foreach (var (property, value) in actual.Resource.Properties)
            {
                System.Console.WriteLine(ForgeText.Lines(value) switch
                {
                    [var line] => $"    {property}: {line}",
                    var lines when property == "userData" => $"    {property}: {lines.Count} lines (--user-data prints them)",
                    var lines => $"    {property}:\n      {string.Join("\n      ", lines)}",
                });
            }
        }

        return 0;
    }
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(IReadOnlyList<ActualResource>))]
internal sealed partial class ForgeShowJson : JsonSerializerContext;
