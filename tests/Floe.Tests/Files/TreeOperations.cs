using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>Random operations of a task on a tree: every kind of inode, names of any bytes, every way to change what is there.</summary>
internal sealed unsafe class TreeOperations(string root, Random random)
{
    private static readonly byte[][] s_names =
    [
        "a"u8.ToArray(), "b"u8.ToArray(), "c.txt"u8.ToArray(), "a-b"u8.ToArray(), "a.b"u8.ToArray(), [0xFF, 0xFE], [0x01, 0x0A],
        "sp ace"u8.ToArray(), "\\x41"u8.ToArray(), "ü"u8.ToArray(), [.. Enumerable.Repeat((byte)'n', 255)],
    ];

    private static readonly bool s_isRoot = Interop.geteuid() == 0;

    public void Run(int count)
    {
        for (var i = 0; i < count; i++)
        {
            One();
        }
    }

    /// <summary>Gives everything times that depend on the path alone, as the layers of an image have.</summary>
    public void SetImageTimes()
    {
        foreach (var path in All().Reverse<byte[]>().Append([]))
        {
            var seconds = 1_500_000_000 + path.Sum(value => (long)value);
            On(path, (directory, name) => Assert.Equal(0, NativeName.SetTimes(directory, name, new FileTime(seconds, 1), new FileTime(seconds, 123_456_789))));
        }
    }

    private void One()
    {
        var existing = All();
        var any = existing.Count == 0 ? [] : existing[random.Next(existing.Count)];
        var fresh = FreshPath(existing);
        switch (existing.Count == 0 ? 0 : random.Next(20))
        {
            case 0 or 1 or 2: Write(fresh, append: false); break;
            case 3: Write(any, append: true); break;
            case 4: Write(any, append: false); break;
            case 5 or 6: On(fresh, (d, n) => NativeName.MakeDirectory(d, n, 0x1ED)); break;
            case 7: On(any, (d, n) => Remove(d, n)); break;
            case 8: Move(any, fresh); break;
            case 9: Move(any, existing.Count == 0 ? fresh : existing[random.Next(existing.Count)]); break;
            case 10: Link(any, fresh); break;
            case 11: On(fresh, (d, n) => NativeName.MakeSymbolicLink(Terminated([.. any, (byte)'x']), d, n)); break;
            case 12: OnNonLink(any, (d, n) => NativeName.ChangeMode(d, n, (uint)(0x180 | random.Next(0x1000) | (IsDirectory(any) ? 0x1C0 : 0)))); break;
            case 13: On(any, (d, n) => NativeName.SetTimes(d, n, new FileTime(1000, 5), new FileTime(random.Next(), (uint)random.Next(1_000_000_000)))); break;
            case 14: OnNonLink(any, SetAttribute); break;
            case 15: On(fresh, (d, n) => NativeName.MakeNode(d, n, Interop.S_IFIFO | 0x1A4, 0)); break;
            case 16 when s_isRoot: On(fresh, (d, n) => NativeName.MakeNode(d, n, Interop.S_IFCHR | 0x1A4, Interop.makedev(1, 3))); break;
            case 17 when s_isRoot: On(any, (d, n) => NativeName.ChangeOwner(d, n, (uint)random.Next(5), (uint)random.Next(5))); break;
            case 18: Sparse(fresh); break;
            case 19: TurnAround(any); break;
        }
    }

    /// <summary>A file becomes a directory, a directory a file.</summary>
    private void TurnAround(byte[] path)
    {
        var wasDirectory = IsDirectory(path);
        On(path, (d, n) => Remove(d, n));
        if (wasDirectory)
        {
            Write(path, append: false);
        }
        else
        {
            On(path, (d, n) => NativeName.MakeDirectory(d, n, 0x1ED));
            Write([.. path, .. "/in"u8], append: false);
        }
    }

    private void Write(byte[] path, bool append) => OnFile(path, file =>
    {
        if (!append)
        {
            file.SetLength(random.Next(3) == 0 ? file.Length / 2 : file.Length);
            file.Position = random.Next((int)file.Length + 1);
        }
        else
        {
            file.Position = file.Length;
        }

        var content = new byte[random.Next(4) switch { 0 => 0, 1 => random.Next(100), 2 => 16384 * random.Next(4), _ => random.Next(100_000) }];
        random.NextBytes(content);
        if (random.Next(4) == 0)
        {
            content.AsSpan(content.Length / 2).Clear();
        }

        file.Write(content);
    });

    private void Sparse(byte[] path) => OnFile(path, file =>
    {
        for (var i = random.Next(4); i > 0; i--)
        {
            file.Position += random.Next(400_000);
            file.Write(Encoding.ASCII.GetBytes("data between holes"));
        }

        file.SetLength(file.Length + random.Next(300_000));
    });

    private void OnFile(byte[] path, Action<FileStream> action) => On(path, (d, n) =>
    {
        if (NativeName.Stat(d, n, out var stat) == 0 && (stat.stx_mode & Interop.S_IFMT) != Interop.S_IFREG)
        {
            return 0;
        }

        var descriptor = NativeName.Open(d, n, Interop.O_CREAT | Interop.O_RDWR | Interop.O_NONBLOCK, 0x1A4);
        if (descriptor >= 0)
        {
            using var file = new FileStream(new Microsoft.Win32.SafeHandles.SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite);
            action(file);
        }

        return 0;
    });

    private int SetAttribute(int directory, byte[] name)
    {
        var value = new byte[random.Next(40)];
        random.NextBytes(value);
        fixed (byte* path = Encoding.ASCII.GetBytes($"/proc/self/fd/{directory}/").Concat(name).ToArray())
        fixed (byte* attribute = Encoding.ASCII.GetBytes($"user.floe{random.Next(3)}\0"))
        fixed (byte* bytes = value)
        {
            return random.Next(3) == 0 ? Interop.lremovexattr(path, attribute) : Interop.lsetxattr(path, attribute, bytes, (nuint)value.Length, 0);
        }
    }

    private void Move(byte[] from, byte[] to) => On(from, (fromDirectory, fromName) =>
    {
        On(to, (toDirectory, toName) => NativeName.Rename(fromDirectory, fromName, toDirectory, toName));
        return 0;
    });

    private void Link(byte[] from, byte[] to) => On(from, (fromDirectory, fromName) =>
    {
        On(to, (toDirectory, toName) => NativeName.Link(fromDirectory, fromName, toDirectory, toName));
        return 0;
    });

    private static int Remove(int directory, byte[] name) => TreeRemoval.Remove(directory, name, [], null) ? 0 : 1;

    private void OnNonLink(byte[] path, Func<int, byte[], int> action) => On(path, (d, n) =>
        NativeName.Stat(d, n, out var stat) == 0 && (stat.stx_mode & Interop.S_IFMT) != Interop.S_IFLNK ? action(d, n) : 0);

    private bool IsDirectory(byte[] path)
    {
        var directory = false;
        On(path, (d, n) =>
        {
            directory = NativeName.Stat(d, n, out var stat) == 0 && (stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR;
            return 0;
        });
        return directory;
    }

    private byte[] FreshPath(List<byte[]> existing)
    {
        var directories = existing.Where(IsDirectory).Append([]).ToList();
        return TreeRemoval.Join(directories[random.Next(directories.Count)], s_names[random.Next(s_names.Length)]);
    }

    /// <summary>All paths below the root, in walk order.</summary>
    private List<byte[]> All()
    {
        var paths = new List<byte[]>();
        Collect([]);
        return paths;

        void Collect(byte[] path)
        {
            var directory = DirectoryPath.Open(Absolute(path), create: false);
            var names = new DirectoryNames();
            names.Read(directory, path);
            _ = Interop.close(directory);
            for (var i = 0; i < names.Count; i++)
            {
                var child = TreeRemoval.Join(path, names[i]);
                paths.Add(child);
                if (IsDirectory(child))
                {
                    Collect(child);
                }
            }
        }
    }

    private void On(byte[] path, Action<int, byte[]> action) => On(path, (d, n) =>
    {
        action(d, n);
        return 0;
    });

    /// <summary>Operations may fail, as a task's do (a name that exists, a directory that is not empty).</summary>
    private void On(byte[] path, Func<int, byte[], int> action)
    {
        var absolute = Absolute(path);
        var directory = DirectoryPath.TryOpen(KernelPath.Parent(absolute));
        if (directory >= 0)
        {
            action(directory, Terminated(KernelPath.Name(absolute)));
            _ = Interop.close(directory);
        }
    }

    private byte[] Absolute(byte[] path) => path.Length == 0 ? Encoding.UTF8.GetBytes(root.Trim('/')) : TreeRemoval.Join(Encoding.UTF8.GetBytes(root.Trim('/')), path);

    private static byte[] Terminated(ReadOnlySpan<byte> name) => NativeName.Terminated(name);
}
