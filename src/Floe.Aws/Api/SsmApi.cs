using System.Text.Json.Nodes;

namespace Floe.Aws.Api;

/// <summary>Public and own parameters. JSON API.</summary>
public sealed class SsmApi(AwsClient client)
{
    /// <summary>Null when there is no such parameter.</summary>
    public async Task<string?> GetParameterAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await client.JsonAsync(AwsService.Ssm, "AmazonSSM", "GetParameter", new JsonObject { ["Name"] = name }, cancellationToken).ConfigureAwait(false);
            return answer.Member("Parameter")?.Text("Value");
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }
}
