using System.Globalization;

namespace Floe.Aws.Api;

/// <summary>A service and how it is spoken to.</summary>
/// <param name="Name">For messages: "EC2".</param>
/// <param name="Host">First label of its host name.</param>
/// <param name="Signing">Its name in signatures.</param>
/// <param name="IsGlobal">One endpoint for all regions of a partition.</param>
public sealed record AwsService(string Name, string Host, string Signing, bool IsGlobal = false)
{
    public static readonly AwsService Ec2 = new("EC2", "ec2", "ec2");
    public static readonly AwsService Ssm = new("SSM", "ssm", "ssm");
    public static readonly AwsService Batch = new("Batch", "batch", "batch");
    public static readonly AwsService Iam = new("IAM", "iam", "iam", IsGlobal: true);
    public static readonly AwsService S3 = new("S3", "s3", "s3");
}

/// <summary>Which region, and where the services are if not at AWS.</summary>
public sealed record AwsOptions
{
    /// <summary>Null: the profile's or the instance's.</summary>
    public string? Region { get; init; }

    /// <summary>By the variable's ending (EC2, SSM, BATCH, IAM, STS, S3); "" for all others.</summary>
    public IReadOnlyDictionary<string, Uri> Endpoints { get; init; } = new Dictionary<string, Uri>();

    /// <summary>Tries of one request in all.</summary>
    public int MaxAttempts { get; init; } = 6;

    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(8);

    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>AWS_REGION, AWS_DEFAULT_REGION; AWS_ENDPOINT_URL_EC2 and so on, AWS_ENDPOINT_URL; AWS_MAX_ATTEMPTS.</summary>
    /// <exception cref="AwsException">A variable, or the region, makes no sense.</exception>
    public static AwsOptions FromEnvironment(Func<string, string?> variable, string? region)
    {
        var endpoints = new Dictionary<string, Uri>(StringComparer.Ordinal);
        foreach (var ending in (string[])["EC2", "SSM", "BATCH", "IAM", "STS", "S3", ""])
        {
            var name = ending.Length == 0 ? "AWS_ENDPOINT_URL" : $"AWS_ENDPOINT_URL_{ending}";
            if (variable(name) is not { Length: > 0 } text)
            {
                continue;
            }

            if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https") || url.UserInfo.Length > 0 || url.Query.Length > 0)
            {
                throw new AwsException(AwsErrorKind.Invalid, $"{name} is no http:// or https:// address");
            }

            endpoints[ending] = url;
        }

        var attempts = new AwsOptions().MaxAttempts;
        if (Set(variable("AWS_MAX_ATTEMPTS")) is { } tries && !(int.TryParse(tries, NumberStyles.None, CultureInfo.InvariantCulture, out attempts) && attempts is >= 1 and <= 100))
        {
            throw new AwsException(AwsErrorKind.Invalid, $"AWS_MAX_ATTEMPTS takes 1 to 100; not '{Clean(tries)}'");
        }

        var chosen = region ?? Set(variable("AWS_REGION")) ?? Set(variable("AWS_DEFAULT_REGION"));
        return chosen is null || IsRegion(chosen)
            ? new AwsOptions { Region = chosen, Endpoints = endpoints, MaxAttempts = attempts }
            : throw new AwsException(AwsErrorKind.Region, $"'{Clean(chosen)}' is no AWS region; they are written like eu-central-1");
    }

    /// <summary>Words of letters joined by dashes, with a digit at the end: it becomes part of a host name.</summary>
    public static bool IsRegion(string text) =>
        text.Length is >= 6 and <= 32 && char.IsAsciiDigit(text[^1]) && text.Count(c => c == '-') >= 2 && !text.StartsWith('-')
        && text.All(c => c is >= 'a' and <= 'z' or >= '0' and <= '9' or '-');

    internal Uri Endpoint(AwsService service, string region)
    {
        if (Endpoints.TryGetValue(service.Host.ToUpperInvariant(), out var own) || Endpoints.TryGetValue("", out own))
        {
            return own;
        }

        var domain = region.StartsWith("cn-", StringComparison.Ordinal) ? "amazonaws.com.cn" : "amazonaws.com";
        return service.IsGlobal
            ? new Uri(Partition(region) switch
            {
                "aws-cn" => $"https://{service.Host}.cn-north-1.{domain}",
                "aws-us-gov" => $"https://{service.Host}.us-gov.{domain}",
                _ => $"https://{service.Host}.{domain}",
            })
            : new Uri($"https://{service.Host}.{region}.{domain}");
    }

    /// <summary>A global service is signed for the first region of its partition.</summary>
    internal static string SigningRegion(AwsService service, string region) => !service.IsGlobal ? region : Partition(region) switch
    {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    };

    /// <summary>aws, aws-cn or aws-us-gov.</summary>
    public static string Partition(string region) =>
        region.StartsWith("cn-", StringComparison.Ordinal) ? "aws-cn" : region.StartsWith("us-gov-", StringComparison.Ordinal) ? "aws-us-gov" : "aws";

    /// <summary>Text from elsewhere in a message: printable, and not endless.</summary>
    internal static string Clean(string text)
    {
        var printable = new string([.. text.Take(300).Select(static c => char.IsControl(c) ? ' ' : c)]).Trim();
        return text.Length > 300 ? printable + "…" : printable;
    }

    private static string? Set(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
