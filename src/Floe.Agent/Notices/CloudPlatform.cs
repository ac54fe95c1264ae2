namespace Floe.Agent.Notices;

/// <summary>Whose machine this is, as far as notices go.</summary>
public enum CloudPlatform
{
    /// <summary>Also taken where nothing is known: asking in vain is cheap.</summary>
    Ec2,
    Gce,
    Azure,
}

/// <summary>Tells clouds apart by the firmware's tables, without a request to anybody.</summary>
public static class CloudPlatforms
{
    // Azure's machines carry this asset tag, which Hyper-V elsewhere does not. Source: cloud-init, DataSourceAzure.
    private const string AzureAssetTag = "7783-7084-3265-9085-8269-3286-77";

    /// <param name="readDmi">The content of a file of /sys/class/dmi/id; null when it cannot be read.</param>
    public static CloudPlatform Detect(Func<string, string?> readDmi) =>
        readDmi("product_name")?.Trim() == "Google Compute Engine" ? CloudPlatform.Gce
        : readDmi("chassis_asset_tag")?.Trim() == AzureAssetTag ? CloudPlatform.Azure
        : CloudPlatform.Ec2;

    public static CloudPlatform Detect() => Detect(name =>
    {
        try
        {
            return File.ReadAllText($"/sys/class/dmi/id/{name}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    });
}
