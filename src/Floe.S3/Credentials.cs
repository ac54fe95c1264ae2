namespace Floe.S3;

/// <summary>Keys that sign requests. Never shown: <see cref="ToString"/> gives the key id only.</summary>
public sealed record AccessKeys(string AccessKeyId, string SecretAccessKey, string? SessionToken = null)
{
    public override string ToString() => AccessKeyId;
}

/// <summary>Where keys come from. Safe for concurrent use.</summary>
public interface ICredentialSource
{
    /// <summary>Keys that are valid now. Failure: an <see cref="ObjectStoreException"/> of kind Credentials.</summary>
    ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken);

    /// <summary>The service refused these keys as expired: the next <see cref="GetAsync"/> looks for newer ones. False: there is nowhere to look.</summary>
    bool Invalidate(AccessKeys refused);

    /// <summary>The region that goes with the keys, from the profile or the instance; null when nothing names one.</summary>
    ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken);
}

/// <summary>Keys that were handed over, for tests and benchmarks.</summary>
public sealed class FixedCredentials(AccessKeys keys) : ICredentialSource
{
    public ValueTask<AccessKeys> GetAsync(CancellationToken cancellationToken) => ValueTask.FromResult(keys);

    public bool Invalidate(AccessKeys refused) => false;

    public ValueTask<string?> FindRegionAsync(CancellationToken cancellationToken) => ValueTask.FromResult<string?>(null);
}
