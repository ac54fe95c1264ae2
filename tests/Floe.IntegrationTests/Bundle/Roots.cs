using Floe.Testing;

namespace Floe.IntegrationTests.Bundle;

/// <summary>Root file systems that a bundle may find itself in.</summary>
internal static class Roots
{
    /// <param name="name">debian: the host's; busybox: static busybox and its links, no glibc, as in Alpine; empty: nothing at all.</param>
    /// <returns>The folder; null for the host's system folders.</returns>
    public static string? Make(string name, ScratchFolder scratch)
    {
        if (name == "debian")
        {
            return null;
        }

        var root = scratch.Folder("root");
        if (name == "busybox")
        {
            const string busybox = "/bin/busybox";
            if (!File.Exists(busybox))
            {
                throw new InvalidOperationException("no static busybox: apt-get install busybox-static");
            }

            Directory.CreateDirectory($"{root}/bin");
            File.Copy(busybox, $"{root}/bin/busybox");
            foreach (var applet in (string[])["sh", "cat", "ls", "echo", "sleep", "seq", "sort", "gzip", "md5sum", "rm", "mkdir", "awk", "head", "test", "ps", "kill", "hostname"])
            {
                File.CreateSymbolicLink($"{root}/bin/{applet}", "busybox");
            }

            Directory.CreateDirectory($"{root}/etc");
            File.WriteAllText($"{root}/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
        }

        return root;
    }
}
