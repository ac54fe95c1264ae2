using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Floe.S3;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Floe.Testing.Imds;

/// <summary>What the double does to requests instead of answering them.</summary>
public enum ImdsFault
{
    None,
    /// <summary>500 to every request.</summary>
    ServerError,
    /// <summary>200 with bytes that mean nothing, to every GET.</summary>
    Garbage,
    /// <summary>Takes the request and never answers: what a container behind hop limit 1 sees.</summary>
    Silent,
    /// <summary>403 to every request: the service is switched off for the instance.</summary>
    Forbidden,
    /// <summary>401 to every GET, whatever the token.</summary>
    RefuseTokens,
}

/// <summary>
/// EC2's metadata service (IMDSv2) on a free port of 127.0.0.1, with its token rules: a PUT with a TTL of 1 to 21600 s gives a token, a GET without a
/// valid unexpired one is 401. <c>await using var imds = await ImdsDouble.StartAsync(…)</c>; hand <see cref="Endpoint"/> to
/// FLOE_IMDS_ENDPOINT. All setters may be used while it serves.
/// </summary>
public sealed class ImdsDouble : IAsyncDisposable
{
    private readonly WebApplication application;
    private readonly TimeProvider timeProvider;
    private readonly ConcurrentDictionary<string, DateTimeOffset> tokens = new();
    private readonly ConcurrentDictionary<string, string> values = new();
    private readonly CancellationTokenSource stopping = new();
    private readonly Lock arrivalLock = new();
    private TaskCompletionSource arrival = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int getCount;
    private int tokenCount;

    private ImdsDouble(WebApplication application, TimeProvider timeProvider)
    {
        this.application = application;
        this.timeProvider = timeProvider;
    }

    /// <summary>Like http://127.0.0.1:40123.</summary>
    public Uri Endpoint { get; private set; } = new("http://127.0.0.1");

    public ImdsFault Fault { get; set; }

    /// <summary>The raw answer of spot/instance-action; null is 404. For well-formed ones use <see cref="SetSpotNotice"/>.</summary>
    public string? SpotInstanceActionText { get; set; }

    /// <summary>Clock of the service: token expiry and Date headers. Differs from the time provider's by this much.</summary>
    public TimeSpan ClockOffset { get; set; }

    /// <summary>Tokens given so far.</summary>
    public int TokenCount => Volatile.Read(ref tokenCount);

    /// <summary>GETs received so far, refused ones included.</summary>
    public int GetCount => Volatile.Read(ref getCount);

    private DateTimeOffset Now => timeProvider.GetUtcNow() + ClockOffset;

    /// <param name="port">0 for a free one.</param>
    public static async Task<ImdsDouble> StartAsync(TimeProvider? timeProvider = null, int port = 0)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(IPAddress.Loopback, port);
            kestrel.AddServerHeader = false;
        });
        var application = builder.Build();
        var imds = new ImdsDouble(application, timeProvider ?? TimeProvider.System);
        imds.SetInstance("i-0123456789abcdef0", "c6i.8xlarge", "spot", "eu-central-1a");
        application.Run(imds.ServeAsync);
        await application.StartAsync();
        imds.Endpoint = new Uri(application.Urls.Single());
        return imds;
    }

    public void SetInstance(string instanceId, string instanceType, string lifeCycle, string availabilityZone)
    {
        values["instance-id"] = instanceId;
        values["instance-type"] = instanceType;
        values["instance-life-cycle"] = lifeCycle;
        values["placement/availability-zone"] = availabilityZone;
        values["placement/region"] = availabilityZone[..^1];
    }

    /// <summary>The instance has a role, with these keys for the next hour.</summary>
    public void SetRole(string name, AccessKeys keys)
    {
        values["iam/security-credentials"] = values["iam/security-credentials/"] = name;
        values["iam/security-credentials/" + name] = JsonSerializer.Serialize(new Dictionary<string, string?>
        {
            ["Code"] = "Success", ["LastUpdated"] = Iso(Now), ["Type"] = "AWS-HMAC", ["AccessKeyId"] = keys.AccessKeyId,
            ["SecretAccessKey"] = keys.SecretAccessKey, ["Token"] = keys.SessionToken, ["Expiration"] = Iso(Now.AddHours(1)),
        });
    }

    /// <param name="action">terminate, stop or hibernate.</param>
    public void SetSpotNotice(string action, DateTimeOffset time) =>
        SpotInstanceActionText = JsonSerializer.Serialize(new Dictionary<string, string> { ["action"] = action, ["time"] = Iso(time) });

    public void ClearSpotNotice() => SpotInstanceActionText = null;

    /// <summary>Every token given so far becomes invalid, as after a restart of the service.</summary>
    public void ForgetTokens() => tokens.Clear();

    /// <summary>Until the next request arrives, whatever becomes of it.</summary>
    public Task NextArrivalAsync(CancellationToken cancellationToken = default)
    {
        lock (arrivalLock)
        {
            return arrival.Task.WaitAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await stopping.CancelAsync();
        await application.DisposeAsync();
        stopping.Dispose();
    }

    private static string Iso(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    private async Task ServeAsync(HttpContext context)
    {
        lock (arrivalLock)
        {
            arrival.SetResult();
            arrival = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        context.Response.Headers.Date = Now.UtcDateTime.ToString("R", CultureInfo.InvariantCulture);
        var isGet = HttpMethods.IsGet(context.Request.Method);
        if (isGet)
        {
            Interlocked.Increment(ref getCount);
        }

        switch (Fault)
        {
            case ImdsFault.ServerError:
                context.Response.StatusCode = StatusCodes.Status500InternalServerError;
                return;
            case ImdsFault.Forbidden:
                context.Response.StatusCode = StatusCodes.Status403Forbidden;
                return;
            case ImdsFault.RefuseTokens when isGet:
                context.Response.StatusCode = StatusCodes.Status401Unauthorized;
                return;
            case ImdsFault.Garbage when isGet:
                await context.Response.WriteAsync("<html>\0 not metadata {{{");
                return;
            case ImdsFault.Silent:
                await HangAsync(context);
                return;
        }

        if (HttpMethods.IsPut(context.Request.Method) && context.Request.Path == "/latest/api/token")
        {
            await GiveTokenAsync(context);
        }
        else if (isGet)
        {
            await AnswerAsync(context);
        }
        else
        {
            context.Response.StatusCode = StatusCodes.Status405MethodNotAllowed;
        }
    }

    private async Task HangAsync(HttpContext context)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping.Token);
        await Task.Delay(Timeout.InfiniteTimeSpan, end.Token).ContinueWith(static _ => { }, TaskScheduler.Default);
        context.Abort();
    }

    private async Task GiveTokenAsync(HttpContext context)
    {
        // As the real service: a TTL out of range is a bad request, and a forwarded request gets no token.
        if (context.Request.Headers.ContainsKey("X-Forwarded-For"))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            return;
        }

        if (!int.TryParse(context.Request.Headers["X-aws-ec2-metadata-token-ttl-seconds"], out var ttlSeconds) || ttlSeconds is < 1 or > 21600)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        var token = Convert.ToBase64String(Guid.NewGuid().ToByteArray());
        tokens[token] = Now.AddSeconds(ttlSeconds);
        Interlocked.Increment(ref tokenCount);
        context.Response.Headers["X-aws-ec2-metadata-token-ttl-seconds"] = ttlSeconds.ToString(CultureInfo.InvariantCulture);
        await context.Response.WriteAsync(token);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        var token = context.Request.Headers["X-aws-ec2-metadata-token"].ToString();
        if (!tokens.TryGetValue(token, out var expiry) || Now >= expiry)
        {
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return;
        }

        const string Root = "/latest/meta-data/";
        const string Identity = "/latest/dynamic/instance-identity/document";
        var path = context.Request.Path.Value ?? "";
        var name = path.StartsWith(Root, StringComparison.Ordinal) ? path[Root.Length..] : "";
        var text = name switch
        {
            "spot/instance-action" => SpotInstanceActionText,
            _ when path == Identity => JsonSerializer.Serialize(new Dictionary<string, string> { ["instanceId"] = values["instance-id"], ["region"] = values["placement/region"] }),
            _ => values.GetValueOrDefault(name),
        };
        if (text is null)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }

        await context.Response.WriteAsync(text);
    }
}
