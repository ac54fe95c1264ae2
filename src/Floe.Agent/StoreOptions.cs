using Floe.S3;

namespace Floe.Agent;

/// <summary>How every verb reaches the store.</summary>
public static class StoreOptions
{
    /// <exception cref="FloeException">A variable has a value that makes no sense.</exception>
    public static ObjectStoreOptions FromEnvironment() =>
        ObjectStoreOptions.TryFromEnvironment(Environment.GetEnvironmentVariable, out var error) ?? throw new FloeException(ExitCodes.Usage, error!);
}
