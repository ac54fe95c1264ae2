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
        [profile abroad]
        region = eu-west-3
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

    private static readonly string[] s_list = [Fleet.Floe, "list", "--store", $"s3://{S3Double.Bucket}/floe"];

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

    [Fact]
    public async Task List_ProfileWithKeysOfItsOwn_SignsWithThem()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_valid);
        s3.Keys = CredentialDouble.Source;
        var listed = await ListAsync(s3, keys, "AWS_PROFILE=source");
        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Empty(keys.Granted);
    }

    /// <summary>What ECS and Batch set. The address is fixed, so this machine's only network is its loopback, which has it.</summary>
    [Fact]
    public async Task List_RoleOfAnEcsTask_SignsWithItsKeys()
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_expired, s_valid);
        s3.Keys = s_valid;
        await CreateStoreAsync(s3);
        using var scratch = new ScratchFolder();
        MachineOptions options = new() { Kind = MachineKind.Host, Binds = [new(scratch.Folder("share"), "/share")] };
        await using var outside = await Machine.CreateAsync(options, CancellationToken);
        await RelayAsync(outside, $"/share/s3={s3.Endpoint.Authority}", $"/share/keys={new Uri(keys.Endpoint).Authority}");
        await using var machine = await Machine.CreateAsync(options with { OwnNetwork = true }, CancellationToken);
        Fleet.AssertStatus(0, await machine.RunAsync(["/bin/sh", "-c", "ip address add 169.254.170.2/32 dev lo"], null, CancellationToken));
        await RelayAsync(machine, $"{s3.Endpoint.Authority}=/share/s3", "169.254.170.2:80=/share/keys");

        var listed = await machine.RunAsync(s_list, Environment(s3, keys, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI=" + CredentialDouble.TaskPath), CancellationToken);

        Assert.True(listed.Status.Success, $"{listed.Status}: {listed.Errors}");
        Assert.Equal(["task", "task"], keys.Granted);
    }

    /// <summary>AWS itself is asked, which the machine takes for itself and where nobody listens: who was asked is in the error.</summary>
    [Theory]
    [InlineData("eu-west-3", "AWS_PROFILE=abroad")]
    [InlineData("ap-south-1")]
    public async Task List_NoRegionIsSet_ThatOfTheProfileOrOfTheInstance(string region, params string[] variables)
    {
        await using var s3 = await S3Double.StartAsync();
        await using var keys = await CredentialDouble.StartAsync(s_valid);
        await using var imds = await ImdsDouble.StartAsync();
        imds.SetInstance("i-0123456789abcdef0", "c6i.8xlarge", "spot", "ap-south-1a");
        var environment = Environment(s3, keys, [.. variables, $"AWS_EC2_METADATA_SERVICE_ENDPOINT={imds.Endpoint.ToString().TrimEnd('/')}", "FLOE_S3_MAX_ATTEMPTS=1"]);
        environment.Remove("FLOE_S3_ENDPOINT");
        environment.Remove("AWS_REGION");
        environment["AWS_ACCESS_KEY_ID"] = s_valid.AccessKeyId;
        environment["AWS_SECRET_ACCESS_KEY"] = s_valid.SecretAccessKey;
        var aws = new Uri($"https://{S3Double.Bucket}.s3.{region}.amazonaws.com");
        using var scratch = new ScratchFolder();
        await using var machine = await Machine.CreateAsync(new() { Binds = [await ProfilesAsync(scratch)] }, CancellationToken);
        await File.AppendAllTextAsync(machine.RootPath + "/etc/hosts", $"127.1.2.3 {aws.Host}\n", CancellationToken);

        var listed = await machine.RunAsync(s_list, environment, CancellationToken);

        Assert.Equal(174, listed.Status.ShellCode);
        Assert.Contains(aws.Host, listed.Errors, StringComparison.Ordinal);
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
        await CreateStoreAsync(s3);
        using var scratch = new ScratchFolder();
        await using var machine = await Machine.CreateAsync(new() { Binds = [await ProfilesAsync(scratch)] }, CancellationToken);
        return await machine.RunAsync(s_list, Environment(s3, keys, variables), CancellationToken);
    }

    private static async Task CreateStoreAsync(S3Double s3)
    {
        await using var objects = s3.Open("floe");
        await SnapshotStore.OpenAsync(objects, new SnapshotStoreOptions(), create: true, CancellationToken);
    }

    private static async Task<MachineBind> ProfilesAsync(ScratchFolder scratch)
    {
        var aws = scratch.Folder("aws");
        await File.WriteAllTextAsync($"{aws}/config", Profiles, CancellationToken);
        await File.WriteAllTextAsync($"{aws}/token", CredentialDouble.Token, CancellationToken);
        return new(aws, "/aws", ReadOnly: true);
    }

    private static Dictionary<string, string> Environment(S3Double s3, CredentialDouble keys, params string[] variables)
    {
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

        return environment;
    }

    /// <summary>Carries connections from one place to another for as long as the machine lives; a place is HOST:PORT or a unix socket's path.</summary>
    private static async Task RelayAsync(Machine machine, params string[] routes)
    {
        const string relay = """
            import socket, sys, threading
            def made(place, use):
                one = socket.socket(socket.AF_UNIX if place[0] == '/' else socket.AF_INET)
                host, _, port = place.partition(':')
                getattr(one, use)(place if place[0] == '/' else (host, int(port)))
                return one
            def pump(one, other):
                while data := one.recv(65536): other.sendall(data)
                other.shutdown(socket.SHUT_WR)
            def serve(listening, target):
                while True:
                    one, other = listening.accept()[0], made(target, 'connect')
                    for pair in (one, other), (other, one): threading.Thread(target=pump, args=pair).start()
            for route in sys.argv[1:]:
                place, target = route.split('=')
                listening = made(place, 'bind'); listening.listen()
                threading.Thread(target=serve, args=(listening, target)).start()
            print('listens', flush=True)
            """;
        await Fleet.UntilPrintedAsync(await machine.StartAsync(["/usr/bin/python3", "-c", relay, .. routes], null, CancellationToken), "listens\n");
    }
}
