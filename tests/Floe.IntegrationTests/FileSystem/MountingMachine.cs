using Floe.S3;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.FileSystem;

/// <summary><c>floe mount</c> in a machine that is like a plain host.</summary>
internal static class MountingMachine
{
    public const string Floe = "/opt/floe/bin/floe";
    public const string Folder = "/data";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <param name="root">For --store-root; null shows all buckets.</param>
    public static async Task<MachineProcess> StartAsync(Machine machine, IReadOnlyDictionary<string, string> environment, string? root)
    {
        string[] only = root is null ? [] : ["--store-root", root];
        await ShellAsync(machine, environment, $"mkdir -p {Folder} 2>/dev/null || true");
        var mount = await machine.StartAsync([Floe, "mount", "--cache-folder", "/cache", .. only, Folder], environment, Token);
        await ShellAsync(machine, environment, $"for i in $(seq 500); do mountpoint -q {Folder} && exit 0; sleep 0.02; done; exit 1");
        return mount;
    }

    public static async Task<string> ShellAsync(Machine machine, IReadOnlyDictionary<string, string> environment, string script)
    {
        var result = await machine.RunAsync(["/bin/bash", "-euo", "pipefail", "-c", script], environment, Token);
        Assert.True(result.Status.Success, $"{script}: {result.Status}: {result.Errors}");
        return result.Text;
    }

    public static IReadOnlyDictionary<string, string> Environment(Uri endpoint, AccessKeys keys) => new Dictionary<string, string>
    {
        ["AWS_ACCESS_KEY_ID"] = keys.AccessKeyId,
        ["AWS_SECRET_ACCESS_KEY"] = keys.SecretAccessKey,
        ["AWS_REGION"] = "us-east-1",
        ["AWS_ENDPOINT_URL_S3"] = endpoint.ToString().TrimEnd('/'),
        ["FLOE_S3_MAX_ATTEMPTS"] = "3",
    };
}
