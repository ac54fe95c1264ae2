using Floe.S3;

namespace Floe.IntegrationTests.Workloads;

/// <summary>A store as a machine names it.</summary>
/// <param name="Url">For --store.</param>
/// <param name="Environment">What floe needs to reach it.</param>
/// <param name="Folder">The host's folder that the machine must see as /store; null when there is none.</param>
internal sealed record TestStore(string Url, IReadOnlyDictionary<string, string> Environment, string? Folder)
{
    public static TestStore InFolder(string folder) => new("file:///store", new Dictionary<string, string>(), folder);

    public static TestStore InS3(string bucket, Uri endpoint, AccessKeys keys) => new(
        $"s3://{bucket}/floe",
        new Dictionary<string, string>
        {
            ["FLOE_S3_ENDPOINT"] = endpoint.ToString().TrimEnd('/'),
            ["AWS_ACCESS_KEY_ID"] = keys.AccessKeyId,
            ["AWS_SECRET_ACCESS_KEY"] = keys.SecretAccessKey,
            ["AWS_REGION"] = "us-east-1",
        },
        Folder: null);
}
