using System.Net;
using System.Net.Sockets;

namespace Floe.S3;

/// <summary>The connections to one store.</summary>
internal static class S3Transport
{
    /// <summary>
    /// A bare invoker: no buffering, cookies, redirects or decompression, answers are handed over when their headers are there.
    /// A proxy is used only where the environment names one.
    /// </summary>
    public static HttpMessageInvoker Create(int maxConnections, TimeSpan connectTimeout) => new(Handler(maxConnections, connectTimeout));

    /// <summary>What <see cref="Create"/> invokes, for who has a client of another kind.</summary>
    public static SocketsHttpHandler Handler(int maxConnections, TimeSpan connectTimeout)
    {
        var next = -1;
        return new SocketsHttpHandler
        {
            MaxConnectionsPerServer = maxConnections,
            ConnectTimeout = connectTimeout,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(20),
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            MaxResponseDrainSize = 256 << 10,
            ConnectCallback = (context, cancellationToken) => ConnectAsync(context.DnsEndPoint, (uint)Interlocked.Increment(ref next), cancellationToken),
        };
    }

    /// <summary>S3 answers a name with several addresses, each a different front end: connections take them in turn.</summary>
    private static async ValueTask<Stream> ConnectAsync(DnsEndPoint target, uint turn, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal)
            ? [literal]
            : await Dns.GetHostAddressesAsync(target.Host, cancellationToken).ConfigureAwait(false);
        for (var i = 0; ; i++)
        {
            var address = addresses.Length == 0
                ? throw new SocketException((int)SocketError.HostNotFound)
                : addresses[(int)((turn + (uint)i) % (uint)addresses.Length)];
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                await socket.ConnectAsync(address, target.Port, cancellationToken).ConfigureAwait(false);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException) when (i + 1 < addresses.Length)
            {
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
    }
}
