using System.Security.Cryptography;
using System.Text;
using Floe.Testing.Machines;
using Xunit;

namespace Floe.IntegrationTests.Workloads;

/// <summary>All that a finished run leaves: its stdout, and the tree of its output folder.</summary>
/// <param name="Files">Path below the folder, and kind, mode, size and SHA-256 of the content as one line.</param>
internal sealed record WorkloadOutput(byte[] Stdout, SortedDictionary<string, string> Files)
{
    public static WorkloadOutput Read(Machine machine, byte[] stdout)
    {
        var root = machine.RootPath + Workload.OutputFolder;
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var entry in new DirectoryInfo(root).EnumerateFileSystemInfos("*", SearchOption.AllDirectories))
        {
            files[Path.GetRelativePath(root, entry.FullName)] = Describe(entry);
        }

        return new WorkloadOutput(stdout, files);
    }

    public void AssertEqual(WorkloadOutput other)
    {
        Assert.Equal(Encoding.Latin1.GetString(Stdout), Encoding.Latin1.GetString(other.Stdout));
        Assert.Equal(Files, other.Files);
    }

    private static string Describe(FileSystemInfo entry)
    {
        if (entry.LinkTarget is { } target)
        {
            return $"link to {target}";
        }

        if (entry is not FileInfo file)
        {
            return $"folder {entry.UnixFileMode}";
        }

        using var content = file.OpenRead();
        return $"file {file.UnixFileMode} {file.Length} {Convert.ToHexString(SHA256.HashData(content))}";
    }
}
