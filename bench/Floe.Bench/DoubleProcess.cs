using System.IO.Pipes;
using System.Text;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.S3.Buckets;
using Floe.Testing.S3;

namespace Floe.Bench;

/// <summary>The S3 double in a process of its own, so that it shares no heap and no threads with a client. It ends with this object or with this program.</summary>
internal sealed class DoubleProcess : IAsyncDisposable
{
    /// <summary>6.25 Gbit/s: no EC2 type with two vCPUs has more for good (c8gn.large and its like; the embedded table of types).</summary>
    public const double LineBytesPerSecond = 6.25e9 / 8;

    private const string Paced = "-paced";

    /// <summary>S3 takes this long and longer to the first byte of an answer.</summary>
    private static readonly TimeSpan s_answerDelay = TimeSpan.FromMilliseconds(20);

    private static readonly AccessKeys s_keys = new("AKIADOUBLE", "double/secret+key");

    private readonly ChildProcess _process;
    private readonly AnonymousPipeServerStream _life;

    private DoubleProcess(ChildProcess process, AnonymousPipeServerStream life, Uri endpoint)
    {
        _process = process;
        _life = life;
        Endpoint = endpoint;
    }

    public Uri Endpoint { get; }

    public int Pid => _process.Pid;

    /// <summary>What a program needs to reach it: Floe and the aws client alike.</summary>
    public IReadOnlyDictionary<string, string> ClientEnvironment => new Dictionary<string, string>
    {
        ["AWS_ACCESS_KEY_ID"] = s_keys.AccessKeyId,
        ["AWS_SECRET_ACCESS_KEY"] = s_keys.SecretAccessKey,
        ["AWS_REGION"] = "us-east-1",
        ["AWS_DEFAULT_REGION"] = "us-east-1",
        ["FLOE_S3_ENDPOINT"] = Endpoint.ToString().TrimEnd('/'),
    };

    public static string Url(string prefix) => $"s3://{S3Double.Bucket}/{prefix}";

    /// <param name="keeps">Objects stay in the server's memory and can be read back; otherwise they are discarded.</param>
    /// <param name="isPaced">As S3 behind a network; otherwise as fast as this machine can.</param>
    public static async Task<DoubleProcess> StartAsync(bool keeps, CancellationToken cancellationToken, bool isPaced = false)
    {
        var life = new AnonymousPipeServerStream(PipeDirection.Out, HandleInheritability.None);
        using var answer = new AnonymousPipeServerStream(PipeDirection.In, HandleInheritability.None);
        var program = Encoding.UTF8.GetBytes(Environment.ProcessPath!);
        var process = ChildProcess.Start(new ChildProcessOptions
        {
            Path = program,
            Arguments = [program, "serve"u8.ToArray(), Encoding.UTF8.GetBytes((keeps ? "keep" : "discard") + (isPaced ? Paced : ""))],
            Descriptors = [(life.ClientSafePipeHandle, 0), (answer.ClientSafePipeHandle, 1)],
        });
        life.DisposeLocalCopyOfClientHandle();
        answer.DisposeLocalCopyOfClientHandle();
        using var reader = new StreamReader(answer);
        var line = await reader.ReadLineAsync(cancellationToken);
        return Uri.TryCreate(line, UriKind.Absolute, out var endpoint)
            ? new DoubleProcess(process, life, endpoint)
            : throw new InvalidOperationException($"the S3 double did not start: {line}");
    }

    /// <summary>The other side: serves until stdin ends.</summary>
    public static async Task<int> ServeAsync(string mode)
    {
        await using var server = await S3Double.StartAsync(new S3DoubleOptions
        {
            Discards = mode.StartsWith("discard", StringComparison.Ordinal),
            KeepsCalls = false,
            HashesBodies = false,
            Pace = mode.EndsWith(Paced, StringComparison.Ordinal) ? new S3DoublePace(s_answerDelay, LineBytesPerSecond) : null,
        });
        Console.WriteLine(server.Endpoint);
        await Console.OpenStandardInput().CopyToAsync(Stream.Null);
        return 0;
    }

    public const string Bucket = S3Double.Bucket;

    /// <summary>The same client as a file system opens it.</summary>
    public IBucketService OpenBuckets() => BucketServices.Open(
        new ObjectStoreOptions { Endpoint = Endpoint, Region = "us-east-1" }, null, null, new FixedCredentials(s_keys));

    /// <summary>Floe's own client, as the agent opens it.</summary>
    public IObjectStore Open(string prefix) => ObjectStores.Open(
        StoreUrl.TryParse(Url(prefix), out var error) ?? throw new InvalidOperationException(error),
        new ObjectStoreOptions { Endpoint = Endpoint, Region = "us-east-1" }, null, null, new FixedCredentials(s_keys));

    public async ValueTask DisposeAsync()
    {
        await _life.DisposeAsync();
        await _process.Exited;
    }
}
