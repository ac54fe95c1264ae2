using Amazon;
using Amazon.Runtime;
using Amazon.Runtime.SharedInterfaces;
using Amazon.RuntimeDependencies;
using Amazon.SecurityToken;

namespace Floe.S3;

/// <summary>
/// A profile's role (role_arn), assumed with the keys of its source. The SDK's own class looks its STS client up by reflection, which finds nothing
/// in a trimmed program, or asks a registry, which is not told the source's keys.
/// </summary>
internal sealed class AssumedRole(AWSCredentials source, AssumeRoleAWSCredentials role)
    : AssumeRoleAWSCredentials(source, role.RoleArn, role.RoleSessionName, role.Options)
{
    private static readonly AnonymousAWSCredentials s_unsigned = new();

    /// <summary>Once, before anything of the SDK's chain is used: for web identity, whose calls carry a token and no signature.</summary>
    public static void RegisterWebIdentity() =>
        GlobalRuntimeDependencyRegistry.Instance.RegisterSecurityTokenServiceClient(context => Client(s_unsigned, context.SecurityTokenServiceClientContextData.Region));

    /// <summary>The same credentials, able to assume what roles they consist of; a role's source may be a role too.</summary>
    public static AWSCredentials Wrap(AWSCredentials credentials) =>
        credentials is AssumeRoleAWSCredentials role ? new AssumedRole(Wrap(role.SourceCredentials), role) : credentials;

    protected override CredentialsRefreshState GenerateNewCredentials()
    {
        using var client = Client(SourceCredentials, Region());
        return State(((ICoreAmazonSTS)client).CredentialsFromAssumeRoleAuthentication(RoleArn, RoleSessionName, Options));
    }

    protected override async Task<CredentialsRefreshState> GenerateNewCredentialsAsync()
    {
        using var client = Client(SourceCredentials, Region());
        return State(await ((ICoreAmazonSTS)client).CredentialsFromAssumeRoleAuthenticationAsync(RoleArn, RoleSessionName, Options).ConfigureAwait(false));
    }

    private static CredentialsRefreshState State(AssumeRoleImmutableCredentials keys) => new(keys, keys.Expiration);

    private static RegionEndpoint Region() => FallbackRegionFactory.GetRegionEndpoint() ?? RegionEndpoint.USEast1;

    private static AmazonSecurityTokenServiceClient Client(AWSCredentials credentials, RegionEndpoint region) =>
        new(credentials, new AmazonSecurityTokenServiceConfig { RegionEndpoint = region });
}
