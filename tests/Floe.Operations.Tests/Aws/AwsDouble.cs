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
internal sealed record AwsSaid(int Status, string Body);

/// <summary>AWS's control APIs as a test scripts them: for the answers that moto never gives (refused, throttled, garbled, in pages).</summary>
internal sealed class AwsDouble : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<AwsAsked> _asked = new();

    private AwsDouble(WebApplication app) => _app = app;

    public IReadOnlyList<AwsAsked> Asked => [.. _asked];

    public Uri Endpoint => new(_app.Urls.First());

    public static async Task<AwsDouble> StartAsync(Func<AwsAsked, int, AwsSaid> answer)
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

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static string ActionOf(HttpContext context, string body)
    {
        if (context.Request.Headers["x-amz-target"].ToString() is { Length: > 0 } target)
        {
            return target.Split('.')[^1];
        }

        return body.StartsWith("Action=", StringComparison.Ordinal) ? body["Action=".Length..].Split('&')[0] : context.Request.Path.Value!.Split('/')[^1];
    }
}
