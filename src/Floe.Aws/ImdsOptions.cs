namespace Floe.Aws;

/// <summary>Where the metadata service is and how long to wait for it. The service is link-local: a healthy answer takes a few milliseconds.</summary>
public sealed record ImdsOptions
{
    public static readonly Uri DefaultEndpoint = new("http://169.254.169.254/");
    public static readonly Uri DefaultIPv6Endpoint = new("http://[fd00:ec2::254]/");

    /// <summary>Scheme, host and port; the paths of the service (<c>latest/…</c>) are put below it.</summary>
    public Uri Endpoint { get; init; } = DefaultEndpoint;

    /// <summary>Every request fails with <see cref="ImdsErrorKind.Disabled"/> at once.</summary>
    public bool Disabled { get; init; }

    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>For one request from its start to the last byte of the answer, the connection included.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Life asked for a session token; the service allows 1 s to 6 h.</summary>
    public TimeSpan TokenTtl { get; init; } = TimeSpan.FromHours(6);

    /// <summary>
    /// FLOE_IMDS_ENDPOINT before AWS_EC2_METADATA_SERVICE_ENDPOINT before AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE (IPv4 or IPv6);
    /// AWS_EC2_METADATA_DISABLED=true switches the service off whatever the others say.
    /// An override that is no http(s) URL is an <see cref="ImdsException"/> of kind BadEndpoint.
    /// </summary>
    /// <param name="getVariable">Usually <see cref="Environment.GetEnvironmentVariable(string)"/>.</param>
    public static ImdsOptions FromEnvironment(Func<string, string?> getVariable)
    {
        ArgumentNullException.ThrowIfNull(getVariable);
        var endpoint =
            ParseEndpoint("FLOE_IMDS_ENDPOINT", getVariable("FLOE_IMDS_ENDPOINT"))
            ?? ParseEndpoint("AWS_EC2_METADATA_SERVICE_ENDPOINT", getVariable("AWS_EC2_METADATA_SERVICE_ENDPOINT"))
            ?? (string.Equals(getVariable("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), "IPv6", StringComparison.OrdinalIgnoreCase)
                ? DefaultIPv6Endpoint
                : DefaultEndpoint);
        return new ImdsOptions
        {
            Endpoint = endpoint,
            Disabled = string.Equals(getVariable("AWS_EC2_METADATA_DISABLED"), "true", StringComparison.OrdinalIgnoreCase),
        };
    }

    private static Uri? ParseEndpoint(string variable, string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        var valid = Uri.TryCreate(text.Trim(), UriKind.Absolute, out var uri)
            && uri.Scheme is "http" or "https"
            && uri.Host.Length > 0
            && uri.UserInfo.Length == 0
            && uri.Query.Length == 0
            && uri.Fragment.Length == 0;
        if (!valid)
        {
            throw new ImdsException(
                ImdsErrorKind.BadEndpoint,
                $"{variable}='{text}' is not the URL of a metadata service: write it like http://169.254.169.254, or unset it.");
        }

        // A base URI without its last slash would lose its last segment when a path is put below it.
        return uri!.AbsoluteUri.EndsWith('/') ? uri : new Uri(uri.AbsoluteUri + "/");
    }
}
