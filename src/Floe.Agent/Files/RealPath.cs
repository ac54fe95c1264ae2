namespace Floe.Agent.Files;

/// <summary>realpath(3) in terms of .NET: every symbolic link of a path followed.</summary>
internal static class RealPath
{
    /// <summary>MAXSYMLINKS of the kernel.</summary>
    private const int MaxLinks = 40;

    /// <summary>Null when the path does not exist or its links go in a circle.</summary>
    public static string? TryResolve(string absolutePath)
    {
        var pending = new Stack<string>(absolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var resolved = "/";
        var links = 0;
        while (pending.TryPop(out var name))
        {
            if (name is "." or "..")
            {
                resolved = name == "." ? resolved : Path.GetDirectoryName(resolved) ?? "/";
                continue;
            }

            var next = Path.Combine(resolved, name);
            var info = new FileInfo(next);
            if (info.LinkTarget is not { } target)
            {
                if (!Path.Exists(next))
                {
                    return null;
                }

                resolved = next;
                continue;
            }

            if (++links > MaxLinks)
            {
                return null;
            }

            resolved = target.StartsWith('/') ? "/" : resolved;
            foreach (var part in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
            {
                pending.Push(part);
            }
        }

        return resolved;
    }
}
