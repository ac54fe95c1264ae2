using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Floe.S3;

namespace Floe.Aws.Api;

/// <summary>An answer that is no success.</summary>
/// <param name="type">Of the x-amzn-ErrorType header.</param>
internal sealed class RefusedException(HttpStatusCode status, byte[] body, string? type) : Exception($"status {(int)status}")
{
    public HttpStatusCode Status { get; } = status;

    public byte[] Body { get; } = body;

    public string? Type { get; } = type;
}

/// <summary>Single requests to services whose SDK package cannot be had, signed by the signer that signs for S3.</summary>
internal sealed class SignedCalls(AwsOptions options, TimeProvider time, AwsTransport transport)
{
    public const string FormType = "application/x-www-form-urlencoded; charset=utf-8";

    private readonly ConcurrentDictionary<string, SigV4> _signers = [];

    public static byte[] Form(IEnumerable<(string Name, string Value)> parameters) =>
        Encoding.UTF8.GetBytes(string.Join('&', parameters.Select(p => $"{SigV4.Encode(p.Name, false)}={SigV4.Encode(p.Value, false)}")));

    /// <returns>The body of a success.</returns>
    /// <exception cref="RefusedException">The answer is none.</exception>
    public async Task<byte[]> PostAsync(AwsService service, string path, string contentType, byte[] body, string region, AccessKeys keys, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Post, service, path, region);
        request.Content = new ByteArrayContent(body);
        request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        var (url, hash) = (request.RequestUri!, Convert.ToHexStringLower(SHA256.HashData(body)));
        var signer = _signers.GetOrAdd(service.Signing, static name => new SigV4(name));
        signer.Sign(request, url.Authority, url.AbsolutePath, "", hash, keys, AwsOptions.SigningRegion(service, region), time.GetUtcNow());

        using var response = await transport.Http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        var answer = await response.Content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        return response.IsSuccessStatusCode ? answer
            : throw new RefusedException(response.StatusCode, answer, response.Headers.TryGetValues("x-amzn-ErrorType", out var types) ? types.FirstOrDefault() : null);
    }

    /// <summary>A header of the answer to an unsigned HEAD, whatever its status; null when there is none.</summary>
    public async Task<string?> HeadAsync(AwsService service, string path, string header, string region, CancellationToken cancellationToken)
    {
        using var request = Request(HttpMethod.Head, service, path, region);
        using var response = await transport.Http.SendAsync(request, cancellationToken).ConfigureAwait(false);
        return response.Headers.TryGetValues(header, out var values) ? values.FirstOrDefault() : null;
    }

    private HttpRequestMessage Request(HttpMethod method, AwsService service, string path, string region)
    {
        var endpoint = options.Endpoint(service, region);
        return new HttpRequestMessage(method, new Uri(endpoint, endpoint.AbsolutePath.TrimEnd('/') + path)) { Version = HttpVersion.Version11 };
    }
}
