namespace Floe.Testing;

/// <summary>Where the tests find the repository and the bundle that was built from it.</summary>
public static class Repository
{
    /// <summary>The folder that holds Floe.slnx, found upward from the test program.</summary>
    public static string Root { get; } = FindRoot();

    /// <summary>FLOE_BUNDLE, else dist/floe in the repository.</summary>
    public static string BundleFolder { get; } = Path.GetFullPath(
        Environment.GetEnvironmentVariable("FLOE_BUNDLE") is { Length: > 0 } named ? named : Path.Combine(Root, "dist/floe"));

    /// <summary>The bundle folder, or an exception that says how to get it.</summary>
    public static string RequireBundle() => File.Exists(Path.Combine(BundleFolder, "bin/floe"))
        ? BundleFolder
        : throw new InvalidOperationException($"no bundle at {BundleFolder}: run `make bundle` first");

    /// <summary>A file of the repository by its path below the root.</summary>
    public static string PathOf(string relativePath) => Path.Combine(Root, relativePath);

    private static string FindRoot()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Floe.slnx")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException($"no Floe.slnx above {AppContext.BaseDirectory}: run the tests from the repository's artifacts folder");
    }
}
