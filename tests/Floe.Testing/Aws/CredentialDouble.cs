using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using Floe.S3;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Floe.Testing.Aws;

/// <summary>
/// What hands out temporary keys, on a free port of 127.0.0.1: the security token service (POST /), a container's credential endpoint (GET /container)
/// and that of an ECS task (GET <see cref="TaskPath"/>). Each grant takes the next of the keys; the last stays. What does not prove itself is refused.
/// </summary>
public sealed class CredentialDouble : IAsyncDisposable
{
    public const string Token = "a-token-of-the-cluster";

    /// <summary>As the ECS agent gives it to a task; who knows it needs no token.</summary>
    public const string TaskPath = "/v2/credentials/11112222-3333-4444-5555-666677778888";

    public const string Role = "arn:aws:iam::123456789012:role/floe";
    public static readonly AccessKeys Source = new("AKIASOURCE", "source/secret");

    private readonly WebApplication _application;
    private readonly ConcurrentQueue<AccessKeys> _keys;
    private readonly ConcurrentQueue<string> _granted = new();

    private CredentialDouble(WebApplication application, IEnumerable<AccessKeys> keys)
    {
        _application = application;
        _keys = new(keys);
    }

    /// <summary>Like http://127.0.0.1:40123.</summary>
    public string Endpoint => _application.Urls.Single();

    /// <summary>Every grant so far: AssumeRole, AssumeRoleWithWebIdentity, container or task.</summary>
    public IReadOnlyCollection<string> Granted => _granted;

    public static async Task<CredentialDouble> StartAsync(params IEnumerable<AccessKeys> keys)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        var server = new CredentialDouble(application, keys);
        application.Run(server.ServeAsync);
        await application.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource(TimeSpan.Zero);
        await _application.StopAsync(atOnce.Token);
        await _application.DisposeAsync();
    }

    private async Task ServeAsync(HttpContext context)
    {
        var authorization = context.Request.Headers.Authorization.ToString();
        if (HttpMethods.IsGet(context.Request.Method))
        {
            var path = context.Request.Path.Value;
            await (path == TaskPath ? GiveJsonAsync(context, "task")
                : authorization == Token && path == "/container" ? GiveJsonAsync(context, "container")
                : RefuseAsync(context, "no such token"));
            return;
        }

        var form = await context.Request.ReadFormAsync();
        var action = form["Action"].ToString();
        var proven = action switch
        {
            "AssumeRole" => authorization.Contains($"Credential={Source.AccessKeyId}/", StringComparison.Ordinal) && authorization.Contains("/sts/aws4_request", StringComparison.Ordinal),
            "AssumeRoleWithWebIdentity" => authorization.Length == 0 && form["WebIdentityToken"] == Token,
            _ => false,
        };
        await (proven && form["RoleArn"] == Role ? GiveXmlAsync(context, action) : RefuseAsync(context, $"not authorized to perform sts:{action}"));
    }

    private async Task GiveXmlAsync(HttpContext context, string action)
    {
        var keys = Next(action);
        await context.Response.WriteAsync($"""
            <{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials><AccessKeyId>{keys.AccessKeyId}</AccessKeyId>
            <SecretAccessKey>{keys.SecretAccessKey}</SecretAccessKey><SessionToken>{keys.SessionToken}</SessionToken><Expiration>{Expiration()}</Expiration>
            </Credentials></{action}Result></{action}Response>
            """);
    }

    private async Task GiveJsonAsync(HttpContext context, string grant)
    {
        var keys = Next(grant);
        await context.Response.WriteAsync(JsonSerializer.Serialize(new Dictionary<string, string?>
        {
            ["RoleArn"] = Role, ["AccessKeyId"] = keys.AccessKeyId, ["SecretAccessKey"] = keys.SecretAccessKey, ["Token"] = keys.SessionToken, ["Expiration"] = Expiration(),
        }));
    }

    private static Task RefuseAsync(HttpContext context, string why)
    {
        context.Response.StatusCode = StatusCodes.Status403Forbidden;
        return context.Response.WriteAsync($"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{why}</Message></Error></ErrorResponse>");
    }

    private AccessKeys Next(string to)
    {
        _granted.Enqueue(to);
        return _keys.Count > 1 && _keys.TryDequeue(out var next) || _keys.TryPeek(out next) ? next : throw new InvalidOperationException("no keys");
    }

    private static string Expiration() => TimeProvider.System.GetUtcNow().AddHours(1).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
