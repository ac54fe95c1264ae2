using System.Text.Json;

namespace Floe.Aws;

/// <summary>
/// Reads the EC2 instance metadata service, version 2. Safe for concurrent use; nothing is asked before the first call.
/// Each method gives null for 404 (there is no such thing now) and an <see cref="ImdsException"/> for everything that is no answer.
/// Paths and shapes: EC2 User Guide, "Instance metadata categories".
/// </summary>
public sealed class ImdsClient : IDisposable
{
    private readonly ImdsTransport transport;

    public ImdsClient(ImdsOptions options, TimeProvider timeProvider)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(timeProvider);
        Options = options;
        transport = new ImdsTransport(options, timeProvider);
    }

    public ImdsOptions Options { get; }

    /// <summary>The pending reclaim; null when there is none. An answer that is no notice is of kind Garbage.</summary>
    public async Task<SpotInstanceAction?> GetSpotInstanceActionAsync(CancellationToken cancellationToken)
    {
        const string Path = "latest/meta-data/spot/instance-action";
        var answer = await transport.GetAsync(Path, cancellationToken).ConfigureAwait(false);
        if (answer is null)
        {
            return null;
        }

        return SpotInstanceAction.TryParse(answer.Text, answer.ServerTime) ?? throw Garbage(Path, answer.Text);
    }

    /// <summary>Like i-0123456789abcdef0.</summary>
    public Task<string?> GetInstanceIdAsync(CancellationToken cancellationToken) =>
        GetWordAsync("latest/meta-data/instance-id", cancellationToken);

    /// <summary>Like c6i.8xlarge.</summary>
    public Task<string?> GetInstanceTypeAsync(CancellationToken cancellationToken) =>
        GetWordAsync("latest/meta-data/instance-type", cancellationToken);

    /// <summary>spot, on-demand, scheduled or capacity-block.</summary>
    public Task<string?> GetInstanceLifeCycleAsync(CancellationToken cancellationToken) =>
        GetWordAsync("latest/meta-data/instance-life-cycle", cancellationToken);

    /// <summary>Like eu-central-1.</summary>
    public Task<string?> GetRegionAsync(CancellationToken cancellationToken) =>
        GetWordAsync("latest/meta-data/placement/region", cancellationToken);

    /// <summary>Like eu-central-1a.</summary>
    public Task<string?> GetAvailabilityZoneAsync(CancellationToken cancellationToken) =>
        GetWordAsync("latest/meta-data/placement/availability-zone", cancellationToken);

    /// <summary>All of the above in one go; a part that the service does not know is null.</summary>
    public async Task<InstanceDescription> DescribeInstanceAsync(CancellationToken cancellationToken) => new(
        await GetInstanceIdAsync(cancellationToken).ConfigureAwait(false),
        await GetInstanceTypeAsync(cancellationToken).ConfigureAwait(false),
        await GetInstanceLifeCycleAsync(cancellationToken).ConfigureAwait(false),
        await GetRegionAsync(cancellationToken).ConfigureAwait(false),
        await GetAvailabilityZoneAsync(cancellationToken).ConfigureAwait(false));

    public void Dispose() => transport.Dispose();

    private async Task<string?> GetWordAsync(string path, CancellationToken cancellationToken)
    {
        var answer = await transport.GetAsync(path, cancellationToken).ConfigureAwait(false);
        if (answer is null)
        {
            return null;
        }

        var word = answer.Text.Trim();
        var valid = word.Length is > 0 and <= 128 && word.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.' or '_');
        return valid ? word : throw Garbage(path, answer.Text);
    }

    private ImdsException Garbage(string path, string text)
    {
        var printable = new string([.. text.Take(60).Select(static c => char.IsControl(c) ? '?' : c)]);
        return new ImdsException(
            ImdsErrorKind.Garbage,
            $"{Options.Endpoint}{path} answered '{printable}', which is not what EC2 documents: is the endpoint a metadata service?");
    }
}

/// <summary>Who this instance is; a part that the service does not know is null.</summary>
public sealed record InstanceDescription(string? InstanceId, string? InstanceType, string? LifeCycle, string? Region, string? AvailabilityZone);
