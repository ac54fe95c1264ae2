using System.Text;
using Floe.Linux;
using Floe.Linux.Processes;

namespace Floe.Agent.Files;

/// <summary>The files, where others write too, that a frozen task has open or mapped (for writing, or at all), and the sockets that it has bound.</summary>
internal sealed unsafe class HeldFiles
{
    private const int AccessMode = 3;
    private const int MaxNamed = 3;
    private readonly SortedSet<string> _outside = new(StringComparer.Ordinal);
    private readonly HashSet<string> _socketInodes = [];
    private readonly List<string> _bound = [];
    private readonly Dictionary<(uint Major, uint Minor, ulong Inode), bool> _files = [];

    public bool IsOpen(in Interop.StatxBuffer stat) => _files.ContainsKey((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino));

    public bool IsOpenForWriting(in Interop.StatxBuffer stat) => _files.GetValueOrDefault((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino));

    /// <summary>Whether a socket of the task is bound to the path; by a relative name it may be bound to several.</summary>
    public bool IsBound(ReadOnlySpan<byte> path)
    {
        var absolute = "/" + Encoding.UTF8.GetString(path);
        return _bound.Exists(name => name.StartsWith('/') ? name == absolute : absolute.EndsWith("/" + (name.StartsWith("./", StringComparison.Ordinal) ? name[2..] : name), StringComparison.Ordinal));
    }

    /// <summary>The first few files that are open for writing, have a name, and do not travel because nobody named their folder.</summary>
    public IReadOnlyCollection<string> Outside => _outside;

    /// <summary>Looks at nothing outside the shared roots: a file of a FUSE mount would be asked of this process.</summary>
    public static HeldFiles Of(IEnumerable<int> pids, ScopeTree scope, string procRoot = "/proc")
    {
        var held = new HeldFiles();
        var isShared = scope.SharedRoots.Count > 0;
        var root = 0;
        foreach (var pid in pids)
        {
            root = root == 0 ? pid : root;
            held.AddOpen($"{procRoot}/{pid}", scope);
            if (isShared)
            {
                held.AddMapped($"{procRoot}/{pid}", scope);
            }
        }

        if (isShared && held._socketInodes.Count > 0)
        {
            held.AddSockets($"{procRoot}/{root}/net/unix");
        }

        return held;
    }

    private void AddOpen(string process, ScopeTree scope)
    {
        string[] descriptors;
        try
        {
            descriptors = Directory.GetFiles($"{process}/fdinfo");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return;
        }

        foreach (var info in descriptors)
        {
            var link = $"{process}/fd/{Path.GetFileName(info)}";
            var path = ProcFiles.TryReadLink(link) ?? "";
            if (path.StartsWith("socket:[", StringComparison.Ordinal))
            {
                _socketInodes.Add(path["socket:[".Length..^1]);
            }

            if (!path.StartsWith('/'))
            {
                continue;
            }

            var name = KernelPath.FromText(path);
            if (scope.IsShared(name))
            {
                Add(link, OpensForWriting(ProcFiles.TryReadText(info)));
            }
            else if (_outside.Count < MaxNamed && scope.IsUnnamed(name) && !path.EndsWith(" (deleted)", StringComparison.Ordinal) && OpensForWriting(ProcFiles.TryReadText(info)))
            {
                _outside.Add(path);
            }
        }
    }

    /// <summary>/proc/PID/fdinfo/N: "flags:\t0100002", octal.</summary>
    private static bool OpensForWriting(string? info)
    {
        foreach (var line in (info ?? "").AsSpan().EnumerateLines())
        {
            if (line.StartsWith("flags:", StringComparison.Ordinal))
            {
                var digits = line["flags:".Length..].Trim();
                return digits.Length > 0 && ((digits[^1] - '0') & AccessMode) != 0;
            }
        }

        return false;
    }

    /// <summary>/proc/PID/maps: "from-to rw-s offset dev inode   /path".</summary>
    private void AddMapped(string process, ScopeTree scope)
    {
        foreach (var line in (ProcFiles.TryReadText($"{process}/maps") ?? "").AsSpan().EnumerateLines())
        {
            var space = line.IndexOf(' ');
            var path = line.IndexOf('/');
            if (space > 0 && path > 0 && line[(space + 1)..] is { Length: > 4 } rights && scope.IsShared(KernelPath.FromText(line[path..].ToString())))
            {
                Add($"{process}/map_files/{line[..space]}", rights[1] == 'w' && rights[3] == 's');
            }
        }
    }

    /// <summary>/proc/PID/net/unix: "address: references protocol flags type state inode path", the path as it was bound.</summary>
    private void AddSockets(string table)
    {
        const int inodeAt = 6, pathAt = 7;
        foreach (var line in (ProcFiles.TryReadText(table) ?? "").Split('\n'))
        {
            var fields = line.Split(' ', pathAt + 1, StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length > pathAt && _socketInodes.Contains(fields[inodeAt]) && !fields[pathAt].StartsWith('@'))
            {
                _bound.Add(fields[pathAt]);
            }
        }
    }

    private void Add(string magicLink, bool isForWriting)
    {
        Interop.StatxBuffer stat;

        // SAFETY: zero-terminated and pinned for the call.
        fixed (byte* pointer = Encoding.UTF8.GetBytes(magicLink + '\0'))
        {
            if (Interop.statx(Interop.AT_FDCWD, pointer, Interop.AT_NO_AUTOMOUNT, Interop.STATX_BASIC_STATS, &stat) == 0)
            {
                var inode = (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);
                _files[inode] = isForWriting || _files.GetValueOrDefault(inode);
            }
        }
    }
}
