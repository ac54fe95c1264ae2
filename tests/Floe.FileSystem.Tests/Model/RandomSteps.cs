using Floe.Linux;

namespace Floe.FileSystem.Tests.Model;

/// <summary>Random operations on a tree of few names, the same on two trees, compared after every step.</summary>
internal sealed class RandomSteps(int seed)
{
    private const int Slots = 3;
    private static readonly string[] s_names = ["a", "b", "a.b", "ü"];
    private static readonly string[] s_links = ["l1", "l2"];

    private readonly Random _random = new(seed);
    private readonly bool[] _isOpen = new bool[Slots];
    private readonly bool[] _isWriter = new bool[Slots];
    private readonly List<string> _log = [];

    /// <param name="maxOffset">Offsets and lengths of writes go up to here.</param>
    public int MaxOffset { get; init; } = 5000;

    /// <summary>What was done last, a line each.</summary>
    public string Last => $"after:\n{string.Join('\n', _log.TakeLast(40))}";

    public async Task RunAsync(ITree model, ITree subject, int steps)
    {
        for (var step = 0; step < steps; step++)
        {
            var action = Choose();
            var (expected, actual) = (await action(model), await action(subject));
            Assert(expected, actual, step, "the result");
            Assert(await model.DescribeAsync(withAttributes: true), await subject.DescribeAsync(withAttributes: true), step, "the tree");
        }
    }

    public async Task CloseAllAsync(ITree model, ITree subject)
    {
        for (var slot = 0; slot < Slots; slot++)
        {
            if (_isOpen[slot])
            {
                _isOpen[slot] = false;
                Assert($"{await model.CloseAsync(slot)}", $"{await subject.CloseAsync(slot)}", -1, "close");
            }
        }
    }

    /// <summary>
    /// Writes to every file and changes its attributes while it is open: they go up with it, so a later mount has them. Gives the files' paths.
    /// </summary>
    public async Task<IReadOnlyList<string>> WriteAllWithAttributesAsync(ITree model, ITree subject)
    {
        string[] files = [.. (await model.DescribeAsync(withAttributes: false)).Split('\n')
            .Where(l => l.Length > 0 && !l.EndsWith('/') && !l.Contains(" -> ", StringComparison.Ordinal)).Select(l => l.Split(' ')[0])];
        foreach (var file in files)
        {
            var (mode, owner) = (Mode(), Owner());
            List<Func<ITree, Task<string>>> actions = [Open(0, file, 2), Do($"write {file}", t => t.WriteAsync(0, 1, [(byte)mode])), ChangeMode(file, mode), ChangeOwner(file, owner)];
            if (_random.Next(2) == 0)
            {
                actions.Add(SetTimes(file));
            }

            actions.Add(Do("close 0", t => t.CloseAsync(0)));
            foreach (var action in actions)
            {
                Assert(await action(model), await action(subject), -1, $"the last change of {file}");
            }
        }

        _isOpen[0] = false;
        return files;
    }

    /// <summary>What a later mount has of the files whose attributes went up with them, and of the whole tree.</summary>
    public async Task AssertRemountAsync(ITree model, ITree after, IReadOnlyList<string> files)
    {
        // Before a listing: what is listed shows its attributes a second later.
        foreach (var file in files)
        {
            Assert(await model.AttributesAsync(file), await after.AttributesAsync(file), -1, $"{file} after a remount");
        }

        Assert(await model.DescribeAsync(withAttributes: false), await after.DescribeAsync(withAttributes: false), -1, "the tree after a remount");
    }

    public void Assert(string expected, string actual, int step, string what)
    {
        if (expected != actual)
        {
            throw new Xunit.Sdk.XunitException(
                $"seed {seed}, step {step}: {what} differs\nlocal:\n{expected}\nhere:\n{actual}\n{Last}");
        }
    }

    private Func<ITree, Task<string>> Choose()
    {
        var open = Enumerable.Range(0, Slots).Where(s => _isOpen[s]).ToList();
        var free = Enumerable.Range(0, Slots).Where(s => !_isOpen[s]).ToList();
        switch (_random.Next(18))
        {
            case 0 or 1 when free.Count > 0:
                return Open(free[0], Path(), Flags());
            case 2 or 3 when open.Count > 0:
                return Write(open);
            case 4 when open.Count > 0:
                var truncated = Pick(open);
                long size = _random.Next(MaxOffset);
                return _isWriter[truncated] ? Do($"truncate {truncated} {size}", t => t.TruncateAsync(truncated, size)) : Read(truncated);
            case 5 when open.Count > 0:
                return Read(Pick(open));
            case 6 when open.Count > 0:
                var closed = Pick(open);
                _isOpen[closed] = false;
                return Do($"close {closed}", t => t.CloseAsync(closed));
            case 7 or 8:
                var made = Path();
                return Do($"mkdir {made}", t => t.MakeFolderAsync(made));
            case 9:
                var removed = Path();
                return Do($"rmdir {removed}", t => t.RemoveFolderAsync(removed));
            case 10:
                var unlinked = _random.Next(3) == 0 ? LinkPath() : Path();
                return Do($"unlink {unlinked}", t => t.UnlinkAsync(unlinked));
            case 11:
                var link = LinkPath();
                var target = $"../t{_random.Next(100)}";
                return Do($"symlink {link} {target}", t => t.LinkAsync(link, target));
            case 12:
                var isLink = _random.Next(4) == 0;
                var (from, to) = isLink ? (LinkPath(), LinkPath()) : (Path(), Path());
                return Do($"rename {from} {to}", t => t.RenameAsync(from, to));
            case 13:
                return ChangeOwner(Path(), Owner());
            case 14 or 15:
                return SetTimes(Path());
            case 16:
                var cut = Path();
                long length = _random.Next(MaxOffset);
                return Do($"truncate {cut} {length}", t => t.TruncateAsync(cut, length));
            default:
                return ChangeMode(Path(), Mode());
        }
    }

    private Func<ITree, Task<string>> ChangeMode(string path, uint mode) =>
        Do($"chmod {path} {Convert.ToString(mode, 8)}", t => t.ChangeModeAsync(path, mode));

    private Func<ITree, Task<string>> ChangeOwner(string path, (uint Uid, uint Gid) owner) =>
        Do($"chown {path} {owner.Uid}:{owner.Gid}", t => t.ChangeOwnerAsync(path, owner.Uid, owner.Gid));

    private Func<ITree, Task<string>> SetTimes(string path)
    {
        var (seconds, nanos) = (_random.Next(1_000_000), (uint)_random.Next(1_000_000_000));
        return Do($"utimens {path} {seconds}.{nanos:d9}", t => t.SetTimesAsync(path, seconds, nanos));
    }

    private uint Mode() => (uint)_random.Next(0x200) | 0x1C0;

    private (uint Uid, uint Gid) Owner() => ((uint)_random.Next(3), (uint)_random.Next(3));

    private Func<ITree, Task<string>> Open(int slot, string path, uint flags)
    {
        _log.Add($"open {slot} {path} {flags:X}");
        var isFirst = true;
        return async tree =>
        {
            var errno = await tree.OpenAsync(slot, path, flags, 0x1A4);
            if (isFirst)
            {
                isFirst = false;
                _isOpen[slot] = errno == 0;
                _isWriter[slot] = (flags & 3) != 0;
            }

            return $"{errno}";
        };
    }

    private Func<ITree, Task<string>> Write(List<int> open)
    {
        var slot = Pick(open);
        if (!_isWriter[slot])
        {
            return Read(slot);
        }

        long offset = _random.Next(MaxOffset);
        var data = new byte[_random.Next(1, MaxOffset)];
        _random.NextBytes(data);
        return Do($"write {slot} {offset}+{data.Length}", t => t.WriteAsync(slot, offset, data));
    }

    private Func<ITree, Task<string>> Read(int slot)
    {
        _log.Add($"read {slot}");
        return tree => tree.ReadAsync(slot);
    }

    private Func<ITree, Task<string>> Do(string text, Func<ITree, Task<int>> action)
    {
        _log.Add(text);
        return async tree => $"{await action(tree)}";
    }

    /// <summary>Always with O_CREAT or for writing, so that a folder under the name is an error everywhere.</summary>
    private uint Flags() => (uint)(_random.Next(6) switch
    {
        0 => Interop.O_CREAT | Interop.O_EXCL | 2,
        1 => Interop.O_CREAT | Interop.O_TRUNC | 1,
        2 => 2,
        3 => Interop.O_CREAT | Interop.O_APPEND | 2,
        _ => Interop.O_CREAT | 2,
    });

    private int Pick(List<int> slots) => slots[_random.Next(slots.Count)];

    private string Path() => string.Join('/', Enumerable.Range(0, _random.Next(1, 4)).Select(_ => s_names[_random.Next(s_names.Length)]));

    private string LinkPath() => $"{(_random.Next(2) == 0 ? "" : s_names[_random.Next(s_names.Length)] + "/")}{s_links[_random.Next(s_links.Length)]}";
}
