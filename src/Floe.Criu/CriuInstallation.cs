using System.Text;
using Floe.Criu.Errors;

namespace Floe.Criu;

/// <summary>
/// A CRIU that can be started. Floe's bundle carries one with its own libraries and loader, so that it runs in any root
/// file system: <c>lib/ld-linux-*.so.* --library-path lib bin/criu</c> below a prefix.
/// </summary>
public sealed record CriuInstallation
{
    /// <summary>Environment variable with a prefix (bin/criu, lib/) or a criu program to use instead of the bundle's.</summary>
    public const string Variable = "FLOE_CRIU";

    /// <summary>Older ones do not start on newer kernels.</summary>
    public static readonly Version Minimum = new(4, 1, 1);

    /// <summary>From here on runs of 4 GiB and more and guard pages are right.</summary>
    public static readonly Version Preferred = new(4, 2);

    private CriuInstallation(string criuPath, string? loaderPath, string? libraryPath, Version version)
    {
        CriuPath = criuPath;
        LoaderPath = loaderPath;
        LibraryPath = libraryPath;
        Version = version;
    }

    public string CriuPath { get; }

    /// <summary>The prefix's own dynamic loader; null for a criu that the system starts by itself.</summary>
    public string? LoaderPath { get; }

    public string? LibraryPath { get; }

    public Version Version { get; }

    /// <summary>
    /// Finds the CRIU to use: that of <c>FLOE_CRIU</c> if set, else that of the bundle that <paramref name="programPath"/>
    /// (<c>BUNDLE/bin/floe</c>; default: the running program) belongs to, at <c>BUNDLE/lib/floe/criu</c>.
    /// </summary>
    /// <exception cref="CriuException">None there, it does not start, or it is too old.</exception>
    public static async Task<CriuInstallation> LocateAsync(CancellationToken cancellationToken, string? programPath = null)
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } given)
        {
            return await AtAsync(Path.GetFullPath(given), cancellationToken).ConfigureAwait(false);
        }

        // A link such as /usr/local/bin/floe leads to the bundle that it points into.
        var program = programPath ?? Environment.ProcessPath ?? "";
        program = File.ResolveLinkTarget(program, returnFinalTarget: true)?.FullName ?? program;
        var prefix = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(program) ?? "/", "..", "lib", "floe", "criu"));
        if (!File.Exists(Path.Combine(prefix, "bin", "criu")))
        {
            throw new CriuException($"no CRIU at {prefix}", $"run floe from its bundle folder, or set {Variable} to a CRIU >= {Minimum}");
        }

        return await AtAsync(prefix, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The CRIU at a prefix folder or program path.</summary>
    /// <exception cref="CriuException">None there, it does not start, or it is too old.</exception>
    public static async Task<CriuInstallation> AtAsync(string path, CancellationToken cancellationToken)
    {
        CriuInstallation found;
        var none = new Version();
        if (Directory.Exists(path))
        {
            var library = Path.Combine(path, "lib");
            var loader = Directory.Exists(library) ? Directory.EnumerateFiles(library, "ld-linux-*.so.*").FirstOrDefault() : null;
            found = new CriuInstallation(Path.Combine(path, "bin", "criu"), loader, loader is null ? null : library, none);
        }
        else
        {
            found = new CriuInstallation(path, null, null, none);
        }

        if (!File.Exists(found.CriuPath))
        {
            throw new CriuException($"no CRIU at {found.CriuPath}", $"set {Variable} to a CRIU >= {Minimum}, or to a folder with bin/criu and lib/");
        }

        var (status, output) = await CriuProcess.RunAsync(found, ["--version"], cancellationToken).ConfigureAwait(false);
        var line = output.Split('\n').FirstOrDefault(l => l.StartsWith("Version: ", StringComparison.Ordinal));
        if (!status.Success || line is null || !Version.TryParse(line.AsSpan("Version: ".Length).Trim(), out var version))
        {
            throw new CriuException($"{found.CriuPath} --version failed ({status}): {output.Trim()}", $"set {Variable} to a CRIU >= {Minimum} that runs here");
        }

        if (version < Minimum)
        {
            throw new CriuException($"{found.CriuPath} is CRIU {version}, too old for this kernel", $"CRIU >= {Minimum} is needed, >= {Preferred} is better");
        }

        return new CriuInstallation(found.CriuPath, found.LoaderPath, found.LibraryPath, version);
    }

    /// <summary>The program to execute and the arguments that come before CRIU's own.</summary>
    internal (byte[] Program, List<byte[]> Arguments) CommandLine()
    {
        if (LoaderPath is null)
        {
            return (Encoding.UTF8.GetBytes(CriuPath), ["criu"u8.ToArray()]);
        }

        var loader = Encoding.UTF8.GetBytes(LoaderPath);
        return (loader, [loader, "--inhibit-cache"u8.ToArray(), "--library-path"u8.ToArray(), Encoding.UTF8.GetBytes(LibraryPath!), Encoding.UTF8.GetBytes(CriuPath)]);
    }
}
