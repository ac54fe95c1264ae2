using System.Globalization;
using Floe.Linux;

namespace Floe.Testing;

/// <summary>
/// A private folder in the system's temp folder, removed on disposal. Folders of test programs that died are removed by the next
/// one: the name carries the owner's pid and start time.
/// </summary>
public sealed class ScratchFolder : IDisposable
{
    private static readonly string s_parent = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "floe-tests");
    // Between making a folder and removing the one around it when it is empty.
    private static readonly Lock s_gate = new();
    private static int s_last;

    static ScratchFolder() => RemoveThoseOfTheDead();

    public ScratchFolder()
    {
        var owner = $"{Environment.ProcessId}-{StartTime(Environment.ProcessId)}";
        Path = System.IO.Path.Combine(s_parent, owner, Interlocked.Increment(ref s_last).ToString(CultureInfo.InvariantCulture));
        lock (s_gate)
        {
            Make(Path);
        }
    }

    public string Path { get; }

    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Makes a folder in it and returns its path.</summary>
    public string Folder(string name) => Directory.CreateDirectory(this[name]).FullName;

    public void Dispose()
    {
        Directory.Delete(Path, recursive: true);
        lock (s_gate)
        {
            TryRemoveEmpty(System.IO.Path.GetDirectoryName(Path)!);
            TryRemoveEmpty(s_parent);
        }
    }

    /// <summary>Another program may remove the folder of them all, which it finds empty, while the ones below it are made.</summary>
    private static void Make(string path)
    {
        const int MaxTries = 10;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
                return;
            }
            catch (DirectoryNotFoundException) when (attempt < MaxTries)
            {
            }
        }
    }

    private static void RemoveThoseOfTheDead()
    {
        if (!Directory.Exists(s_parent))
        {
            return;
        }

        foreach (var folder in Directory.EnumerateDirectories(s_parent))
        {
            var name = System.IO.Path.GetFileName(folder).Split('-');
            if (name.Length == 2 && int.TryParse(name[0], NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && StartTime(pid) != name[1])
            {
                Unmount(folder);
                TryRemove(folder);
            }
        }
    }

    /// <summary>What died may have left mounts, on which even looking fails.</summary>
    private static void Unmount(string folder)
    {
        foreach (var line in File.ReadLines("/proc/self/mountinfo").Reverse())
        {
            if (line.Split(' ')[4] is var mount && mount.StartsWith($"{folder}/", StringComparison.Ordinal))
            {
                _ = Interop.umount2(mount, Interop.MNT_DETACH | Interop.UMOUNT_NOFOLLOW);
            }
        }
    }

    private static void TryRemove(string folder)
    {
        try
        {
            Directory.Delete(folder, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Another test program, which began at the same time, removes it too.
        }
    }

    /// <summary>Field 22 of /proc/PID/stat, clock ticks since boot; empty when there is no such process.</summary>
    private static string StartTime(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[19];
        }
        catch (IOException)
        {
            return "";
        }
    }

    private static void TryRemoveEmpty(string folder)
    {
        try
        {
            Directory.Delete(folder);
        }
        catch (IOException)
        {
            // Another folder of this program, or of another one, lies in it.
        }
    }
}
