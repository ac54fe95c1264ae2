using System.Collections.Concurrent;
using Floe.S3;
using Floe.S3.Buckets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Floe.Testing.S3;

/// <summary>
/// An S3 service in this process on a free port of 127.0.0.1: one bucket, objects in memory, signatures, payload hashes and checksums verified,
/// conditional writes, ListObjectsV2, DeleteObjects, multipart uploads, and faults on demand. <c>await using var s3 = await S3Double.StartAsync();
/// await using var store = s3.Open("prefix");</c>
/// </summary>
public sealed class S3Double : IAsyncDisposable
{
    public const string Bucket = "floe-double";

    private readonly WebApplication _application;
    private readonly S3DoubleRequests _requests;
    private readonly ConcurrentQueue<S3DoubleCall> _calls = new();
    private long _callCount;
    private long _bytesReceived;
    private long _bytesSent;

    private S3Double(WebApplication application, S3DoubleOptions options)
    {
        _application = application;
        Options = options;
        State = new S3DoubleState(options.HashesBodies, options.Time);
        _requests = new S3DoubleRequests(this);
    }

    public S3DoubleOptions Options { get; }

    /// <summary>Like http://127.0.0.1:40123.</summary>
    public Uri Endpoint { get; private set; } = new("http://127.0.0.1");

    /// <summary>The keys that the double takes. A test may change them: then the old ones are expired.</summary>
    public AccessKeys Keys { get; set; } = new("AKIADOUBLE", "double/secret+key");

    /// <summary>What is wrong with the service; consulted for every request, in order.</summary>
    public S3DoubleFaults Faults { get; } = new();

    internal S3DoubleState State { get; }

    /// <summary>Every request so far, refused and failed ones included; empty when <see cref="S3DoubleOptions.KeepsCalls"/> is off.</summary>
    public IReadOnlyCollection<S3DoubleCall> Calls => _calls;

    public long CallCount => Interlocked.Read(ref _callCount);

    /// <summary>Body bytes of requests.</summary>
    public long BytesReceived => Interlocked.Read(ref _bytesReceived);

    /// <summary>Body bytes of answered GETs of objects.</summary>
    public long BytesSent => Interlocked.Read(ref _bytesSent);

    /// <summary>Uploads begun and neither completed nor aborted.</summary>
    public int OpenUploadCount => State.OpenUploadCount;

    /// <summary>Parts that those uploads have.</summary>
    public int OpenPartCount => State.OpenPartCount;

    public static async Task<S3Double> StartAsync(S3DoubleOptions? options = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;
            kestrel.Limits.MaxRequestBufferSize = 4 << 20;
            kestrel.Listen(System.Net.IPAddress.Loopback, 0, listen =>
            {
                listen.Protocols = HttpProtocols.Http1;
                if (options?.Certificate is { } certificate)
                {
                    listen.UseHttps(certificate);
                }
            });
        });
        if (options?.Certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        var application = builder.Build();
        var server = new S3Double(application, options ?? new S3DoubleOptions());
        application.Run(server._requests.HandleAsync);
        await application.StartAsync();
        server.Endpoint = new Uri(application.Urls.First());
        return server;
    }

    /// <summary>A store in the double's bucket, with pauses short enough for tests.</summary>
    public IMultipartStore Open(
        string prefix = "", Func<ObjectStoreOptions, ObjectStoreOptions>? change = null, ICredentialSource? credentials = null, TimeProvider? time = null)
    {
        var url = StoreUrl.TryParse(prefix.Length == 0 ? $"s3://{Bucket}" : $"s3://{Bucket}/{prefix}", out var error)
            ?? throw new ArgumentException(error, nameof(prefix));
        var options = new ObjectStoreOptions { Endpoint = Endpoint, Region = Options.Region, MaxBackoff = TimeSpan.FromMilliseconds(5) };
        return ObjectStores.Open(url, change?.Invoke(options) ?? options, null, time, credentials ?? new FixedCredentials(Keys));
    }

    /// <summary>All buckets of the double, which is one.</summary>
    public IBucketService OpenBuckets(
        Func<ObjectStoreOptions, ObjectStoreOptions>? change = null, ICredentialSource? credentials = null, TimeProvider? time = null)
    {
        var options = new ObjectStoreOptions { Endpoint = Endpoint, Region = Options.Region, MaxBackoff = TimeSpan.FromMilliseconds(5) };
        return BucketServices.Open(change?.Invoke(options) ?? options, null, time, credentials ?? new FixedCredentials(Keys));
    }

    /// <summary>The bytes under a full key of the bucket; null when there is none.</summary>
    public byte[]? Read(string fullKey) => State.TryGet(fullKey)?.Content;

    /// <summary>Full keys with a prefix, in order.</summary>
    public IReadOnlyList<string> KeysBelow(string prefix) => [.. State.Below(prefix).Select(o => o.Key)];

    /// <summary>Puts an object without a request, to prepare what a client would not write.</summary>
    public void Write(string fullKey, byte[] content) => State.Put(fullKey, content, content.Length, new Dictionary<string, string>());

    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource(TimeSpan.Zero);
        Faults.Dispose();
        await _application.StopAsync(atOnce.Token);
        await _application.DisposeAsync();
    }

    internal S3DoubleCall Note(HttpContext context)
    {
        var call = new S3DoubleCall(context);
        Interlocked.Increment(ref _callCount);
        if (Options.KeepsCalls)
        {
            _calls.Enqueue(call);
        }

        return call;
    }

    internal void CountReceived(long bytes) => Interlocked.Add(ref _bytesReceived, bytes);

    internal void CountSent(long bytes) => Interlocked.Add(ref _bytesSent, bytes);
}

public sealed record S3DoubleOptions
{
    public string Region { get; init; } = "us-east-1";

    /// <summary>Entries in a page of a listing at most, whatever the client asks for.</summary>
    public int MaxPageEntries { get; init; } = 1000;

    /// <summary>
    /// For benchmarks: bodies over <see cref="KeptBytes"/> are read, counted and dropped without looking at their checksums; reading such an object
    /// gives bytes of <see cref="S3DoubleState.Pattern"/>.
    /// </summary>
    public bool Discards { get; init; }

    /// <summary>Objects up to this size are kept even when discarding: leases and manifests must work.</summary>
    public int KeptBytes { get; init; } = 64 << 10;

    public bool KeepsCalls { get; init; } = true;

    /// <summary>Off, for benchmarks: bodies are taken as they come, without a look at hashes and checksums; ETags are numbers.</summary>
    public bool HashesBodies { get; init; } = true;

    /// <summary>Off: DeleteObjects is answered with 501, as by services that lack it.</summary>
    public bool HasBatchDelete { get; init; } = true;

    /// <summary>Off: writes are done whatever their conditions say, as by services that do not know them.</summary>
    public bool HonorsConditions { get; init; } = true;

    /// <summary>Of objects up to this size S3 copies no ranges into a part.</summary>
    public long MaxUnrangedCopySource { get; init; } = 5 << 20;

    /// <summary>For benchmarks: null answers at once, as fast as this machine can.</summary>
    public S3DoublePace? Pace { get; init; }

    /// <summary>With one the double speaks TLS.</summary>
    public System.Security.Cryptography.X509Certificates.X509Certificate2? Certificate { get; init; }

    /// <summary>The service's clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>How far its answers say that it is ahead of that.</summary>
    public TimeSpan ClockOffset { get; init; }
}

/// <summary>One request as it arrived.</summary>
public sealed class S3DoubleCall
{
    internal S3DoubleCall(HttpContext context)
    {
        Method = context.Request.Method;
        var path = Uri.UnescapeDataString(RawPath(context));
        Key = path.Length > S3Double.Bucket.Length + 2 ? path[(S3Double.Bucket.Length + 2)..] : "";
        Query = context.Request.QueryString.Value ?? "";
        Headers = context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase);
    }

    private S3DoubleCall(S3DoubleCall call)
    {
        (Method, Key, Query) = (call.Method, call.Key, call.Query);
        Headers = call.Headers.Where(h => h.Key is not ("If-Match" or "If-None-Match")).ToDictionary(StringComparer.OrdinalIgnoreCase);
    }

    public string Method { get; }

    /// <summary>Key in the bucket; empty for a request on the bucket.</summary>
    public string Key { get; }

    /// <summary>With its '?'.</summary>
    public string Query { get; }

    public IReadOnlyDictionary<string, string> Headers { get; }

    internal S3DoubleCall WithoutConditions() => new(this);

    internal static string RawPath(HttpContext context)
    {
        var target = context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpRequestFeature>()!.RawTarget;
        var end = target.IndexOf('?', StringComparison.Ordinal);
        return end < 0 ? target : target[..end];
    }
}
