using System.Collections.Concurrent;
using Floe.Aws.Api;
using Floe.S3;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Floe.Operations.Tests.Aws;

/// <summary>One request as it came: what was asked of which service.</summary>
internal sealed record AwsAsked(string Service, string Action, string Body, IHeaderDictionary Headers, string Path);

/// <summary>What the double says to it.</summary>
/// <param name="IsLost">The request is carried out upstream all the same, and only its answer is lost.</param>
internal sealed record AwsSaid(int Status, string Body, bool IsLost = false);

/// <summary>AWS's control APIs as a test scripts them: for the answers that moto never gives (refused, throttled, garbled, in pages).</summary>
internal sealed class AwsDouble : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _http = new();
    private readonly ConcurrentQueue<AwsAsked> _asked = new();

    private AwsDouble(WebApplication app) => _app = app;

    public IReadOnlyList<AwsAsked> Asked => [.. _asked];

    public Uri Endpoint => new(_app.Urls.First());

    public static Task<AwsDouble> StartAsync(Func<AwsAsked, int, AwsSaid> answer) => StartAsync(new Uri("http://127.0.0.1:1"), answer);

    /// <summary>Before another double: what <paramref name="answer"/> gives null for goes there.</summary>
    public static async Task<AwsDouble> StartAsync(Uri upstream, Func<AwsAsked, int, AwsSaid?> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var aws = new AwsDouble(app);
        app.Run(async context =>
        {
            using var reader = new StreamReader(context.Request.Body);
            var body = await reader.ReadToEndAsync();
            var scope = context.Request.Headers.Authorization.ToString().Split('/');
            var asked = new AwsAsked(scope.Length > 3 ? scope[3] : "", ActionOf(context, body), body, new HeaderDictionary(context.Request.Headers.ToDictionary(h => h.Key, h => h.Value, StringComparer.OrdinalIgnoreCase)), context.Request.Path);
            aws._asked.Enqueue(asked);
            var said = answer(asked, aws._asked.Count);
            if (said is null || said.IsLost)
            {
                await aws.ForwardAsync(upstream, context, body, said);
                return;
            }

            context.Response.StatusCode = said.Status;
            await context.Response.WriteAsync(said.Body);
        });
        await app.StartAsync();
        return aws;
    }

    /// <summary>A client without pauses between its tries.</summary>
    public AwsClient Client(int attempts = 4) => new(
        new AwsOptions { Region = "eu-central-1", Endpoints = new Dictionary<string, Uri> { [""] = Endpoint }, MaxAttempts = attempts, MaxBackoff = TimeSpan.FromMilliseconds(1) },
        TimeProvider.System, NullLogger.Instance, new FixedCredentials(new AccessKeys("AKID", "secret", "token")));

    /// <summary>Variables that send a program here.</summary>
    public IReadOnlyList<(string, string)> Variables => Environment(Endpoint);

    public static IReadOnlyList<(string, string)> Environment(Uri endpoint) =>
    [
        ("AWS_ENDPOINT_URL", endpoint.ToString()), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "testtest"), ("AWS_REGION", "eu-central-1"),
    ];

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        _http.Dispose();
    }

    /// <param name="instead">Sent in place of the answer; null for the answer itself.</param>
    private async Task ForwardAsync(Uri upstream, HttpContext context, string body, AwsSaid? instead)
    {
        using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), new Uri(upstream, context.Request.Path + context.Request.QueryString));
        if (body.Length > 0)
        {
            request.Content = new ByteArrayContent(System.Text.Encoding.UTF8.GetBytes(body));
            request.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
        }

        foreach (var name in (string[])["Authorization", "x-amz-target", "x-amz-date", "x-amz-content-sha256"])
        {
            if (context.Request.Headers[name].ToString() is { Length: > 0 } value)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        }

        using var answer = await _http.SendAsync(request);
        context.Response.StatusCode = instead?.Status ?? (int)answer.StatusCode;
        foreach (var name in (string[])["x-amzn-errortype", "x-amz-bucket-region"])
        {
            if (instead is null && answer.Headers.TryGetValues(name, out var values))
            {
                context.Response.Headers[name] = values.ToArray();
            }
        }

        await context.Response.WriteAsync(instead?.Body ?? await answer.Content.ReadAsStringAsync());
    }

    private static string ActionOf(HttpContext context, string body)
    {
        if (context.Request.Headers["x-amz-target"].ToString() is { Length: > 0 } target)
        {
            return target.Split('.')[^1];
        }

        return body.StartsWith("Action=", StringComparison.Ordinal) ? body["Action=".Length..].Split('&')[0] : context.Request.Path.Value!.Split('/')[^1];
    }
}
