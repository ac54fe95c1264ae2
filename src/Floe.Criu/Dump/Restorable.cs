using Floe.Criu.Errors;
using Floe.Linux.Processes;

namespace Floe.Criu.Dump;

/// <summary>What CRIU dumps without a word and cannot restore: the task would be lost with the machine.</summary>
internal static class Restorable
{
    // Of other namespaces than these CRIU itself says at the dump that it does not carry them.
    private static readonly (string Kind, string What)[] s_namespaces = [("mnt", "mounts"), ("net", "network")];

    /// <exception cref="CriuException">A process of the tree would not be restored.</exception>
    public static void Require(int rootPid, IReadOnlyList<FrozenProcess> processes, string procRoot = "/proc")
    {
        var trees = s_namespaces.Select(n => ProcFiles.TryReadLink($"{procRoot}/{rootPid}/ns/{n.Kind}")).ToArray();
        foreach (var process in processes)
        {
            var directory = $"{procRoot}/{process.Pid}";
            for (var i = 0; i < trees.Length; i++)
            {
                var (kind, what) = s_namespaces[i];
                if (trees[i] is { } tree && ProcFiles.TryReadLink($"{directory}/ns/{kind}") is { } its && its != tree)
                {
                    throw new CriuException($"dump failed: process {Name(process, directory)} has {what} of its own (unshare, bubblewrap, Apptainer, a sandbox), which cannot be restored", "switch the sandbox off");
                }
            }

            if (ProcFiles.TryReadLink($"{directory}/exe") is { } program && program.StartsWith("/memfd:", StringComparison.Ordinal))
            {
                throw new CriuException($"dump failed: process {Name(process, directory)} runs a program that has no file (memfd), which cannot be restored", "start it from a file");
            }
        }
    }

    private static string Name(FrozenProcess process, string directory) => $"{process.Pid} ({ProcFiles.TryReadText($"{directory}/comm")?.Trim() ?? "?"})";
}
