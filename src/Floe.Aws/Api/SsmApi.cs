using Amazon.SimpleSystemsManagement.Model;

namespace Floe.Aws.Api;

/// <summary>Public and own parameters.</summary>
public sealed class SsmApi(AwsClient client)
{
    /// <summary>Null when there is no such parameter.</summary>
    public async Task<string?> GetParameterAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            var request = new GetParameterRequest { Name = name };
            var answer = await client.SsmAsync("GetParameter", (ssm, limited) => ssm.GetParameterAsync(request, limited), cancellationToken).ConfigureAwait(false);
            return answer.Parameter?.Value;
        }
        catch (AwsException e) when (e.Kind == AwsErrorKind.NotFound)
        {
            return null;
        }
    }
}
