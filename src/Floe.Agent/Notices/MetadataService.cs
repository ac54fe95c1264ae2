using System.Net;

namespace Floe.Agent.Notices;

/// <summary>A cloud's link-local metadata service: no proxy, no redirects, a short time, a small answer.</summary>
public sealed class MetadataService : IDisposable
{
    private const int MaxAnswerBytes = 256 * 1024;
    private static readonly TimeSpan s_connectTimeout = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    private readonly HttpClient _client;

    /// <param name="header">What shows that the caller means it: "Metadata-Flavor: Google", "Metadata: true".</param>
    public MetadataService(Uri endpoint, (string Name, string Value) header)
    {
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, UseCookies = false, ConnectTimeout = s_connectTimeout })
        {
            BaseAddress = endpoint,
            Timeout = s_timeout,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
        _client.DefaultRequestHeaders.Add(header.Name, header.Value);
    }

    /// <summary>The text of a 200 answer, and a header of it.</summary>
    /// <exception cref="NoticeSourceException">Anything else.</exception>
    public async Task<(string Text, string? Header)> GetAsync(string path, string header, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await _client.GetAsync(new Uri(path, UriKind.Relative), cancellationToken).ConfigureAwait(false);
            if (answer.StatusCode != HttpStatusCode.OK)
            {
                throw new NoticeSourceException($"{_client.BaseAddress}{path} answered {(int)answer.StatusCode}");
            }

            var value = answer.Headers.TryGetValues(header, out var values) ? values.FirstOrDefault() : null;
            return (await answer.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false), value);
        }
        catch (Exception e) when (e is HttpRequestException or IOException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            throw new NoticeSourceException($"{_client.BaseAddress} does not answer: {e.Message}", e);
        }
    }

    public void Dispose() => _client.Dispose();
}
