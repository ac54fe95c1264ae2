using System.Text;

namespace Floe.Agent.Files;

/// <summary>
/// Which part of the file systems belongs to the task and travels with it. Mounts are out of scope unless they are a root;
/// they are read anew from /proc/self/mountinfo for every scan, and no path on a FUSE mount is ever touched: its server may be
/// this process.
/// </summary>
public sealed class FileScope
{
    private static readonly string[] s_kernelPaths = ["/proc", "/sys", "/dev"];

    private readonly FileScopeOptions _options;
    private readonly List<byte[]> _roots;
    private readonly List<byte[]> _excluded;
    private readonly List<byte[]> _agentPaths;
    private readonly List<(byte[] Path, List<byte[]> Names)> _agentFolders;

    private FileScope(FileScopeOptions options)
    {
        _options = options;
        var roots = options.Mode switch
        {
            FileScopeMode.Root => ["/", "/tmp", "/var/tmp", "/dev/shm"],
            FileScopeMode.Work => [.. WorkingDirectory(options), .. options.PublicPaths],
            _ => (string[])[],
        };
        _roots = [.. roots.Concat(options.Include).Select(Canonical)];
        _excluded = [.. options.Exclude.Select(Canonical)];
        _agentPaths = [.. options.AgentPaths.SelectMany(path => (byte[][])[Canonical(path), CanonicalName(path)])];
        _agentFolders = [.. options.AgentFolders.Select(folder => (Canonical(folder.Path), folder.Names.Select(Encoding.ASCII.GetBytes).ToList()))];
    }

    public FileScopeMode Mode => _options.Mode;

    /// <summary>
    /// The working directory, if it is on a FUSE mount: its files cannot be captured, so what the task writes there does not travel. Null where somebody said
    /// what is to be with it: it is the agent's own mount, or excluded. For a warning.
    /// </summary>
    public string? WorkingDirectoryOnFuse() => WorkingDirectoryOnFuse(MountTable.ReadSelf());

    internal string? WorkingDirectoryOnFuse(IReadOnlyList<VisibleMount> mounts)
    {
        if (Mode == FileScopeMode.Included || _options.WorkingDirectory is not { } text)
        {
            return null;
        }

        // In a container links are not followed: that could ask the server of a mount, which may be this process.
        var path = Mode == FileScopeMode.Work && WorkingDirectory(_options).Any() ? _roots[0] : KernelPath.FromText(Path.GetFullPath(text));
        var isToBeSo = _excluded.Concat(_agentPaths).Any(said => KernelPath.IsAtOrBelow(path, said));
        return !isToBeSo && IsOnFuse(mounts, path) ? KernelPath.Display(path) : null;
    }

    /// <exception cref="FileStateException">An included directory cannot be taken.</exception>
    public static FileScope Create(FileScopeOptions options)
    {
        foreach (var path in options.Include.Concat(options.Exclude).Concat(options.AgentPaths).Concat(options.AgentFolders.Select(f => f.Path)).Concat(WorkingDirectory(options)))
        {
            if (!path.StartsWith('/') || path.Contains('\0', StringComparison.Ordinal))
            {
                throw new FileStateException($"'{path}' is not an absolute path: give the directory from / on");
            }
        }

        // Before paths are followed: following one onto a mount of ours would already ask its server.
        var mounts = MountTable.ReadSelf();
        foreach (var path in options.Include)
        {
            RefuseFuse(mounts, KernelPath.FromText(Path.GetFullPath(path)), path);
        }

        var scope = new FileScope(options);
        scope.Resolve(mounts);
        return scope;
    }

    internal ScopeTree Resolve() => Resolve(MountTable.ReadSelf());

    private ScopeTree Resolve(IReadOnlyList<VisibleMount> mounts)
    {
        var tree = new ScopeTree();
        foreach (var mount in mounts)
        {
            tree.MarkExcluded(
                mount.Path, $"it is on the {mount.Type} mount {KernelPath.Display(mount.Path)}: include that directory if it belongs to the task",
                isUnnamed: !mount.IsFuse && !Array.Exists(s_kernelPaths, kernel => KernelPath.IsAtOrBelow(mount.Path, KernelPath.FromText(kernel))));
        }

        foreach (var path in s_kernelPaths)
        {
            tree.MarkExcluded(KernelPath.FromText(path), $"{path} is the kernel's");
        }

        foreach (var root in _roots)
        {
            if (IsOnFuse(mounts, root))
            {
                // A default root such as /tmp that became a FUSE mount stays excluded like any other mount.
                if (_options.Include.Any(include => Canonical(include).AsSpan().SequenceEqual(root)))
                {
                    RefuseFuse(mounts, root, KernelPath.Display(root));
                }

                continue;
            }

            tree.MarkRoot(root);
        }

        // Clusters have links there, to a local disk for example.
        List<byte[]> everybodys = Mode == FileScopeMode.Work ? [.. _options.PublicPaths.Select(Canonical)] : [];
        foreach (var root in WorkingDirectory(_options).Select(Canonical).Concat(everybodys))
        {
            // Who names a folder says that it is the task's alone.
            if (!_options.Include.Any(include => KernelPath.IsAtOrBelow(root, Canonical(include))))
            {
                tree.MarkShared(root, isPublic: everybodys.Exists(common => root.AsSpan().SequenceEqual(common)));
            }
        }

        foreach (var path in _excluded)
        {
            tree.MarkExcluded(path, $"{KernelPath.Display(path)} is excluded");
        }

        foreach (var path in _agentPaths)
        {
            tree.MarkExcluded(path, $"{KernelPath.Display(path)} is Floe's own");
        }

        foreach (var (path, names) in _agentFolders)
        {
            tree.MarkAgentFolder(path, names, $"{KernelPath.Display(path)} has it for Floe's own use");
        }

        tree.Top.ComputeRootsBelow();
        return tree;
    }

    /// <summary>Whether the deepest mount at or above the path is FUSE. The one at "/" does not count: this process lives on it and cannot be its server.</summary>
    private static bool IsOnFuse(IReadOnlyList<VisibleMount> mounts, byte[] path)
    {
        var deepest = mounts.Where(mount => KernelPath.IsAtOrBelow(path, mount.Path)).MaxBy(mount => mount.Path.Length);
        return deepest.Path is { Length: > 0 } && deepest.IsFuse;
    }

    private static void RefuseFuse(IReadOnlyList<VisibleMount> mounts, byte[] path, string shown)
    {
        if (IsOnFuse(mounts, path))
        {
            throw new FileStateException($"{shown} lies on a FUSE mount, whose files cannot be captured: do not include it");
        }
    }

    private static IEnumerable<string> WorkingDirectory(FileScopeOptions options) =>
        options.Mode == FileScopeMode.Work && options.WorkingDirectory is { } path && path.Trim('/').Length > 0 ? [path] : [];

    /// <summary>As <see cref="Canonical"/>, but of a link itself: its name is not followed.</summary>
    private static byte[] CanonicalName(string path)
    {
        var whole = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        return Path.GetDirectoryName(whole) is { } parent ? TreeRemoval.Join(Canonical(parent), KernelPath.FromText("/" + Path.GetFileName(whole))) : [];
    }

    /// <summary>Symbolic links followed as far as the path exists, because the walk itself follows none.</summary>
    private static byte[] Canonical(string path)
    {
        var existing = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        var missing = new Stack<string>();
        while (existing != "/")
        {
            if (RealPath.TryResolve(existing) is { } real)
            {
                return KernelPath.FromText(Path.Combine([real, .. missing]));
            }

            missing.Push(Path.GetFileName(existing));
            existing = Path.GetDirectoryName(existing) ?? "/";
        }

        return Encoding.UTF8.GetBytes(string.Join('/', missing));
    }
}
