namespace Floe.Agent;

/// <summary>The folder that Floe is shipped in: <c>bin/floe</c> and, beside it, <c>lib/floe</c> with CRIU and tini.</summary>
public sealed class Bundle
{
    private static readonly string[] s_parts = ["bin/floe", "bin/fusion", "lib/floe", "share/floe"];

    private Bundle(string root, string init)
    {
        Root = root;
        InitPath = init;
    }

    /// <summary>The folder; CRIU is looked for below it.</summary>
    public string Root { get; }

    /// <summary>All that <c>make bundle</c> puts into it: the folder may be one that others use too, as /usr/local.</summary>
    public IReadOnlyList<string> Parts => [.. s_parts.Select(part => Path.Combine(Root, part))];

    /// <summary>tini, statically linked.</summary>
    public string InitPath { get; }

    /// <summary>Certification authorities, for a system that has none; null where the program is not in its bundle.</summary>
    public static string? Certificates => Path.Combine(FindRoot(), "share/floe/ca-certificates.crt") is var file && File.Exists(file) ? file : null;

    /// <summary>This program, for the hook that CRIU runs.</summary>
    public static string ProgramPath => Environment.ProcessPath ?? "/proc/self/exe";

    /// <summary>The bundle around the running program, or the one that FLOE_BUNDLE names.</summary>
    /// <exception cref="FloeException">There is no tini.</exception>
    public static Bundle Locate()
    {
        return At(FindRoot());
    }

    /// <inheritdoc cref="Locate"/>
    internal static Bundle At(string root)
    {
        var init = Path.Combine(root, "lib/floe/tini");
        if (!File.Exists(init))
        {
            throw new FloeException(ExitCodes.Usage, $"{init} is missing: the program must stay in its bundle folder (bin/floe beside lib/floe), or FLOE_BUNDLE must name that folder");
        }

        return new Bundle(root, init);
    }

    private static string FindRoot()
    {
        var named = Environment.GetEnvironmentVariable("FLOE_BUNDLE");
        return string.IsNullOrEmpty(named)
            ? Path.GetDirectoryName(Path.GetDirectoryName(Resolve(ProgramPath))) ?? "/"
            : Path.GetFullPath(named);
    }

    private static string Resolve(string path) => new FileInfo(path).ResolveLinkTarget(true)?.FullName ?? path;
}
