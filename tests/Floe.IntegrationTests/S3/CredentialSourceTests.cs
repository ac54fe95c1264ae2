using Floe.IntegrationTests.Run;
using Floe.S3;
using Floe.Store;
using Floe.Testing;
using Floe.Testing.Aws;
using Floe.Testing.Imds;
using Floe.Testing.Machines;
using Floe.Testing.S3;
using Xunit;

namespace Floe.IntegrationTests.S3;

/// <summary>Where the shipped program finds its AWS keys: what the SDK looks up by reflection is not there once the program is trimmed.</summary>
public sealed class CredentialSourceTests
{
    private static readonly AccessKeys s_expired = new("ASIAOLD", "old/secret", "old-token");
    private static readonly AccessKeys s_valid = new("ASIANEW", "new/secret", "new-token");

    private const string Profiles = """
        [profile source]
        aws_access_key_id = AKIASOURCE
        aws_secret_access_key = source/secret
        [profile role]
        role_arn = arn:aws:iam::123456789012:role/floe
        source_profile = source
        [profile role-of-a-role]
        role_arn = arn:aws:iam::123456789012:role/floe
        source_profile = role
        [profile role-of-the-instance]
        role_arn = arn:aws:iam::123456789012:role/floe
        credential_source = Ec2InstanceMetadata
        [profile other-role]
        role_arn = arn:aws:iam::123456789012:role/other
        source_profile = source
        [profile browser]
        sso_start_url = https://127.0.0.1:1/start
        sso_region = us-east-1
        sso_account_id = 123456789012
        sso_role_name = floe
        """;

    private static CancellationToken CancellationToken => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("AssumeRoleWithWebIdentity", "AWS_WEB_IDENTITY_TOKEN_FILE=/aws/token", "AWS_ROLE_ARN=" + CredentialDouble.Role)]
    [InlineData("AssumeRole", "AWS_PROFILE=role")]
    [InlineData("container", "AWS_CONTAINER_CREDENTIALS_FULL_URI={0}/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN=" + CredentialDouble.Token)]
    [InlineData("container", "AWS_CONTAINER_CREDENTIALS_FULL_URI={0}/container", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=/aws/token")]
    public async Task List_TemporaryKeys_AreFetchedAndOnesThatTheServiceRefusesAreReplaced(string grant, params string[] variables)
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_expired, s_valid);
        s3.Keys = s_valid;
        var listed = await ListAsync(s3, keys, variables);
        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Equal([grant, grant], keys.Granted);
    }

    [Fact]
    public async Task List_ProfileWhoseRoleIsAssumedByAnother_AssumesBoth()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(CredentialDouble.Source with { SessionToken = "of-the-first-role" }, s_valid);
        s3.Keys = s_valid;
        var listed = await ListAsync(s3, keys, "AWS_PROFILE=role-of-a-role");
        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Equal(["AssumeRole", "AssumeRole"], keys.Granted);
    }

    [Fact]
    public async Task List_ProfileWhoseSourceIsTheInstance_SignsWithTheInstancesKeys()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_valid);
        s3.Keys = s_valid;
        await using var imds = await ImdsDouble.StartAsync();
        imds.SetRole("instance", CredentialDouble.Source with { SessionToken = "of-the-instance" });
        var listed = await ListAsync(s3, keys, "AWS_PROFILE=role-of-the-instance", $"AWS_EC2_METADATA_SERVICE_ENDPOINT={imds.Endpoint.ToString().TrimEnd('/')}");
        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Equal(["AssumeRole"], keys.Granted);
    }

    [Fact]
    public async Task List_RoleOfTheInstance_SignsWithItsKeys()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_valid);
        s3.Keys = s_valid;
        await using var imds = await ImdsDouble.StartAsync();
        imds.SetRole("instance", s_valid);
        var listed = await ListAsync(s3, keys, $"AWS_EC2_METADATA_SERVICE_ENDPOINT={imds.Endpoint.ToString().TrimEnd('/')}");
        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Empty(keys.Granted);
    }

    [Theory]
    [InlineData("AWS_PROFILE=other-role", "not authorized to perform sts:AssumeRole")]
    [InlineData("AWS_PROFILE=browser", "The profile [browser] is an SSO profile")]
    [InlineData("AWS_PROFILE=absent", "absent")]
    public async Task List_NoKeysToBeHad_OneLineSaysWhy(string variable, string expected)
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_valid);
        var listed = await ListAsync(s3, keys, variable);
        Assert.Equal(174, listed.Status.ShellCode);
        Assert.Contains(expected, listed.Errors, StringComparison.Ordinal);
        Assert.Single(listed.Errors.TrimEnd('\n').Split('\n'));
    }

    /// <summary>`floe list` on a store without tasks, with nothing but these variables: {0} in them is the double's address.</summary>
    private static async Task<MachineResult> ListAsync(S3Double s3, CredentialDouble keys, params string[] variables)
    {
        await using (var objects = s3.Open("floe"))
        {
            await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: true, CancellationToken);
        }

        using var scratch = new ScratchFolder();
        var aws = scratch.Folder("aws");
        await File.WriteAllTextAsync($"{aws}/config", Profiles, CancellationToken);
        await File.WriteAllTextAsync($"{aws}/token", CredentialDouble.Token, CancellationToken);
        await using var machine = await Machine.CreateAsync(new() { Binds = [new(aws, "/aws", ReadOnly: true)] }, CancellationToken);
        var environment = new Dictionary<string, string>
        {
            ["FLOE_S3_ENDPOINT"] = s3.Endpoint.ToString().TrimEnd('/'),
            ["AWS_ENDPOINT_URL_STS"] = keys.Endpoint,
            ["AWS_REGION"] = "us-east-1",
            ["AWS_CONFIG_FILE"] = "/aws/config",
            ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:1",
        };
        foreach (var variable in variables)
        {
            var (name, value) = (variable[..variable.IndexOf('=', StringComparison.Ordinal)], variable[(variable.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            environment[name] = value.Replace("{0}", keys.Endpoint, StringComparison.Ordinal);
        }

        return await machine.RunAsync([Fleet.Floe, "list", "--store", $"s3://{S3Double.Bucket}/floe"], environment, CancellationToken);
    }
}
