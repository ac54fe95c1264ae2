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

    public async Task RunAsync(ITree model, ITree subject, int steps, bool withModes)
    {
        for (var step = 0; step < steps; step++)
        {
            var action = Choose();
            var (expected, actual) = (await action(model), await action(subject));
            Assert(expected, actual, step, "the result");
            Assert(await model.DescribeAsync(withModes), await subject.DescribeAsync(withModes), step, "the tree");
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
        switch (_random.Next(14))
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
            default:
                var changed = Path();
                var mode = (uint)_random.Next(0x200) | 0x180;
                return Do($"chmod {changed} {Convert.ToString(mode, 8)}", t => t.ChangeModeAsync(changed, mode | 0x40));
        }
    }

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
    private uint Flags() => (uint)(_random.Next(5) switch
    {
        0 => Interop.O_CREAT | Interop.O_EXCL | 2,
        1 => Interop.O_CREAT | Interop.O_TRUNC | 1,
        2 => 2,
        _ => Interop.O_CREAT | 2,
    });

    private int Pick(List<int> slots) => slots[_random.Next(slots.Count)];

    private string Path() => string.Join('/', Enumerable.Range(0, _random.Next(1, 4)).Select(_ => s_names[_random.Next(s_names.Length)]));

    private string LinkPath() => $"{(_random.Next(2) == 0 ? "" : s_names[_random.Next(s_names.Length)] + "/")}{s_links[_random.Next(s_links.Length)]}";
}
