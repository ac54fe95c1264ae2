using System.Net.Sockets;
using System.Text;
using Floe.Criu.Dump;

namespace Floe.Criu.Streaming;

/// <summary>The sockets that CRIU connects to, at fixed names in its image folder.</summary>
internal static class StreamListener
{
    public const string CaptureSocket = "streamer-capture.sock";
    public const string ServeSocket = "streamer-serve.sock";

    /// <exception cref="ArgumentException">The folder's path is too long for a socket below it.</exception>
    public static Socket Listen(string workDirectory, string name)
    {
        if (!Path.IsPathRooted(workDirectory) || Encoding.UTF8.GetByteCount(workDirectory) > CriuLimits.MaxWorkDirectoryBytes)
        {
            throw new ArgumentException($"CRIU's work folder must be an absolute path of at most {CriuLimits.MaxWorkDirectoryBytes} bytes: {workDirectory}", nameof(workDirectory));
        }

        var path = Path.Combine(workDirectory, name);
        File.Delete(path);
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            listener.Listen(1);
            return listener;
        }
        catch
        {
            listener.Dispose();
            throw;
        }
    }
}
