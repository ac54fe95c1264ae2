using System.Net;
using System.Net.Sockets;
using System.Text;
using Floe.Linux.Processes;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.Win32.SafeHandles;

namespace Floe.Testing.S3;

/// <summary>
/// A real S3 server of another project in a process of its own, started by a script of <c>eng/servers</c> (which builds its root file system the
/// first time; needs root). It ends with the pipe that is its standard input, so it cannot outlive this program.
/// </summary>
public abstract class RealS3Server : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly SafeFileHandle _lifeline;
    private readonly ScratchFolder _logs;

    private protected RealS3Server(ChildProcess process, SafeFileHandle lifeline, ScratchFolder logs, Uri endpoint, AccessKeys keys)
    {
        (_process, _lifeline, _logs) = (process, lifeline, logs);
        Endpoint = endpoint;
        Keys = keys;
    }

    /// <summary>A bucket that is there from the start.</summary>
    public const string Bucket = "floe-tests";

    public Uri Endpoint { get; }

    public AccessKeys Keys { get; }

    public string AccessKey => Keys.AccessKeyId;

    public string SecretKey => Keys.SecretAccessKey;

    /// <summary>A store in the server's bucket.</summary>
    public IMultipartStore Open(string prefix, AccessKeys? keys = null, string bucket = Bucket) => ObjectStores.Open(
        StoreUrl.TryParse($"s3://{bucket}/{prefix}", out var error) ?? throw new ArgumentException(error, nameof(prefix)),
        new ObjectStoreOptions { Endpoint = Endpoint, MaxAttempts = 4 },
        credentials: new FixedCredentials(keys ?? Keys));

    /// <summary>All buckets of the server.</summary>
    public IBucketService OpenBuckets(Func<ObjectStoreOptions, ObjectStoreOptions>? change = null)
    {
        var options = new ObjectStoreOptions { Endpoint = Endpoint, MaxAttempts = 4 };
        return BucketServices.Open(change?.Invoke(options) ?? options, credentials: new FixedCredentials(Keys));
    }

    /// <summary>A header of the answer to HEAD of an object in the server's bucket, whose key needs no encoding; null where it has none.</summary>
    public async Task<string?> HeaderAsync(string key, string name, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        using var answer = await client.SendAsync(Signed(HttpMethod.Head, $"/{Bucket}/{key}"), cancellationToken);
        return answer.EnsureSuccessStatusCode().Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;
    }

    public async ValueTask DisposeAsync()
    {
        _lifeline.Dispose();
        await _process.Exited;
        _logs.Dispose();
        GC.SuppressFinalize(this);
    }

    private protected static async Task<T> StartAsync<T>(
        string script, AccessKeys keys, Func<ChildProcess, SafeFileHandle, ScratchFolder, Uri, AccessKeys, T> create, CancellationToken cancellationToken)
        where T : RealS3Server
    {
        var logs = new ScratchFolder();
        var port = FreePort();
        var (read, lifeline) = Pipe();
        ChildProcess process;
        using (read)
        using (var log = File.OpenHandle(logs["log"], FileMode.Create, FileAccess.Write, FileShare.ReadWrite))
        {
            process = ChildProcess.Start(new ChildProcessOptions
            {
                Path = "/bin/bash"u8.ToArray(),
                Arguments = ["bash"u8.ToArray(), Encoding.UTF8.GetBytes(Repository.PathOf($"eng/servers/{script}")), Encoding.UTF8.GetBytes($"{port}")],
                Descriptors = [(read, 0), (log, 1), (log, 2)],
                NewSession = true,
            });
        }

        var server = create(process, lifeline, logs, new Uri($"http://127.0.0.1:{port}"), keys);
        try
        {
            await server.WaitAsync(script, cancellationToken);
            await server.CreateBucketAsync(cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Until it answers anything. The first start builds the root file system, which takes minutes.</summary>
    private async Task WaitAsync(string script, CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        while (true)
        {
            if (_process.HasExited)
            {
                throw new InvalidOperationException($"eng/servers/{script} ended with {await _process.Exited}:\n{await File.ReadAllTextAsync(_logs["log"], cancellationToken)}");
            }

            try
            {
                using var answer = await client.GetAsync(Endpoint, cancellationToken);
                return;
            }
            catch (HttpRequestException)
            {
                await Task.Delay(100, cancellationToken);
            }
        }
    }

    private async Task CreateBucketAsync(CancellationToken cancellationToken)
    {
        using var client = new HttpClient();
        for (var attempt = 1; ; attempt++)
        {
            using var answer = await client.SendAsync(Signed(HttpMethod.Put, $"/{Bucket}"), cancellationToken);
            if (answer.IsSuccessStatusCode)
            {
                return;
            }

            // A gateway that has just started may not have its pools yet.
            if (attempt == 20)
            {
                throw new InvalidOperationException($"creating the bucket: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync(cancellationToken)}");
            }

            await Task.Delay(250, cancellationToken);
        }
    }

    private HttpRequestMessage Signed(HttpMethod method, string path)
    {
        var request = new HttpRequestMessage(method, new Uri(Endpoint, path));
        new SigV4().Sign(request, Endpoint.Authority, path, "", SigV4.EmptyPayload, Keys, "us-east-1", TimeProvider.System.GetUtcNow());
        return request;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static unsafe (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        // SAFETY: pipe2 fills two ints.
        return Floe.Linux.Interop.pipe2(ends, Floe.Linux.Interop.O_CLOEXEC) == 0
            ? (new SafeFileHandle(ends[0], ownsHandle: true), new SafeFileHandle(ends[1], ownsHandle: true))
            : throw Floe.Linux.LinuxException.Last("pipe2");
    }
}

/// <summary>moto: a second opinion on the S3 API's shape, and the other AWS APIs. It verifies neither signatures nor checksums.</summary>
public sealed class MotoServer : RealS3Server
{
    private MotoServer(ChildProcess process, SafeFileHandle lifeline, ScratchFolder logs, Uri endpoint, AccessKeys keys)
        : base(process, lifeline, logs, endpoint, keys)
    {
    }

    public static Task<MotoServer> StartAsync(CancellationToken cancellationToken = default) => StartAsync(
        "moto.sh", new AccessKeys("test", "testtest"), (p, l, s, e, k) => new MotoServer(p, l, s, e, k), cancellationToken);
}

/// <summary>Ceph's S3 gateway: signatures, conditional writes under race and checksums are real.</summary>
public sealed class RadosGateway : RealS3Server
{
    private RadosGateway(ChildProcess process, SafeFileHandle lifeline, ScratchFolder logs, Uri endpoint, AccessKeys keys)
        : base(process, lifeline, logs, endpoint, keys)
    {
    }

    public static Task<RadosGateway> StartAsync(CancellationToken cancellationToken = default) => StartAsync(
        "radosgw.sh", new AccessKeys("test", "testtest"), (p, l, s, e, k) => new RadosGateway(p, l, s, e, k), cancellationToken);
}
