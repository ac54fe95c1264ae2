using System.Text.Json;
using Amazon.Runtime;
using Floe.S3;

namespace Floe.Aws.Api;

/// <summary>
/// The connections of all calls, the SDK's too. An answer is handed over when it is there as a whole, is no larger than can be, and is not what
/// no service answers.
/// </summary>
internal sealed class AwsTransport : HttpClientFactory, IDisposable
{
    internal const int MaxAnswerBytes = 64 << 20;

    private readonly WholeAnswers _handler = new();

    public AwsTransport() => Http = new HttpMessageInvoker(_handler, disposeHandler: false);

    public HttpMessageInvoker Http { get; }

    /// <summary>For the SDK. Time is limited where the call is made.</summary>
    public override HttpClient CreateHttpClient(IClientConfig clientConfig) => new(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };

    public void Dispose()
    {
        Http.Dispose();
        _handler.Dispose();
    }

    private sealed class WholeAnswers() : DelegatingHandler(S3Transport.Handler(16, TimeSpan.FromSeconds(10)))
    {
        /// <summary>The SDK reads answers without a token: what it reads must be here.</summary>
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken).ConfigureAwait(false);
            try
            {
                await response.Content.LoadIntoBufferAsync(MaxAnswerBytes, cancellationToken).ConfigureAwait(false);
                if (response.IsSuccessStatusCode)
                {
                    await RefusePageAsync(response.Content, cancellationToken).ConfigureAwait(false);
                }

                return response;
            }
            catch
            {
                response.Dispose();
                throw;
            }
        }

        /// <summary>
        /// A document type is a proxy's page, and no service answers with a list. The SDK's parsers pass over what they do not know and would take
        /// either for an empty answer.
        /// </summary>
        private static async Task RefusePageAsync(HttpContent content, CancellationToken cancellationToken)
        {
            var body = await content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            int first;
            do
            {
                first = body.ReadByte();
            }
            while (first is ' ' or '\t' or '\r' or '\n' or 0xEF or 0xBB or 0xBF);
            body.Position = 0;
            if (first == '[')
            {
                throw new JsonException("no object");
            }

            if (first == '<')
            {
                using var reader = AwsXml.Reader(body);
                reader.MoveToContent();
                body.Position = 0;
            }
        }
    }
}
