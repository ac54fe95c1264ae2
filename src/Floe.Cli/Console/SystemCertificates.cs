using Floe.Agent;
using Floe.Linux;

namespace Floe.Cli.Console;

/// <summary>
/// Which certification authorities this program trusts. It carries its own OpenSSL, which looks where Debian keeps them; other systems have them
/// elsewhere, and many a task image has none at all. Only this process is told, not the task.
/// </summary>
internal static class SystemCertificates
{
    private const string Variable = "SSL_CERT_FILE";

    // Debian and Alpine, Red Hat and Amazon Linux, SUSE, old Alpine.
    private static readonly string[] s_places =
        ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"];

    /// <summary>To be called before the first connection. A choice of the user's stays.</summary>
    public static void UseOurOwnIfThereAreNone()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } || Environment.GetEnvironmentVariable("SSL_CERT_DIR") is { Length: > 0 })
        {
            return;
        }

        if ((s_places.FirstOrDefault(File.Exists) ?? Bundle.Certificates) is { } file)
        {
            _ = Interop.setenv(Variable, file, 1);
        }
    }
}
