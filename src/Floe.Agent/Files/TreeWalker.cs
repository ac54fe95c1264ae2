using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// Walks everything in scope in the order of <see cref="KernelPath.Compare"/>, a directory before what is in it. Goes from
/// descriptor to descriptor, so it follows no symbolic link, crosses no mount and is not bound to PATH_MAX. Memory: the names
/// of the directories on the way down to the current entry.
/// </summary>
internal sealed unsafe class TreeWalker(ScopeTree scope) : IDisposable
{
    private const uint WantedStat = Interop.STATX_BASIC_STATS | Interop.STATX_MNT_ID;

    /// <summary>Of a path that is too long to be shown.</summary>
    private const int MaxShownBytes = 200;

    private readonly List<Level> _levels = [];
    private byte[] _path = new byte[4096];
    private int _pathLength;
    private bool _started;
    private bool _descend;
    private ScopeNode? _node = scope.Top;
    private Interop.StatxBuffer _stat;

    /// <summary>Borrowed: valid until the next move.</summary>
    public ReadOnlySpan<byte> Path => _path.AsSpan(0, _pathLength);

    /// <summary>With a zero at the end, relative to <see cref="Directory"/>.</summary>
    public ReadOnlySpan<byte> Name => _levels.Count == 0 ? ".\0"u8 : _levels[^1].CurrentName;

    /// <summary>The open directory that holds the entry; valid until the next move. The root directory is "." of itself.</summary>
    public int Directory => _levels.Count == 0 ? RootDescriptor() : _levels[^1].Descriptor;

    public ref readonly Interop.StatxBuffer Stat => ref _stat;

    public bool IsDirectory => (_stat.stx_mode & Interop.S_IFMT) == Interop.S_IFDIR;

    /// <summary>Whether a directory that may not be read is passed over at the next move instead of being an error.</summary>
    public bool TolerateUnreadable { get; set; }

    /// <summary>Whether a path that is too long for a list is passed over, as in everybody's folders, instead of being an error.</summary>
    public bool PassesOverTooLong { get; init; }

    private int _rootDescriptor = -1;

    /// <summary>Goes to the next entry; into the current one if that is a directory and <paramref name="skipBelow"/> does not say otherwise.</summary>
    public bool MoveNext(bool skipBelow = false)
    {
        if (!_started)
        {
            _started = true;
            if (StartAtTop())
            {
                return true;
            }
        }
        else if (_descend && !skipBelow)
        {
            Descend(inScope: true);
        }

        return NextInLevels();
    }

    /// <summary>
    /// Whether an error says that the current entry is no more, or is another one by now. Where others write too they remove and replace directories while they are
    /// walked; of those on another machine the kernel hears by ESTALE. A server that knows nothing any more says the same, so the root is asked then.
    /// </summary>
    public bool IsGone(int errno) => errno == Errno.ENOENT
        || (errno is Errno.ENOTDIR or Errno.ELOOP or Errno.ESTALE && scope.IsShared(Path) && !scope.IsRoot(Path) && (errno != Errno.ESTALE || RootAnswers()));

    public void Dispose()
    {
        while (_levels.Count > 0)
        {
            PopLevel();
        }

        if (_rootDescriptor >= 0)
        {
            _ = Interop.close(_rootDescriptor);
            _rootDescriptor = -1;
        }
    }

    /// <returns>True when the root directory is itself in scope and thus the first entry.</returns>
    private bool StartAtTop()
    {
        if (scope.Top.Mark == ScopeMark.Root)
        {
            if (!TryStat(RootDescriptor(), ".\0"u8))
            {
                throw new FileStateException("cannot read the root directory");
            }

            _descend = true;
            return true;
        }

        Descend(inScope: false);
        return false;
    }

    private bool NextInLevels()
    {
        while (_levels.Count > 0)
        {
            var level = _levels[^1];
            if (!level.MoveNext())
            {
                PopLevel();
                continue;
            }

            SetPath(level.PathLength, level.CurrentName[..^1]);
            _node = level.Node?.Find(level.CurrentName[..^1]);
            var mark = _node?.Mark ?? ScopeMark.Inherited;
            var inScope = mark == ScopeMark.Root || (mark == ScopeMark.Inherited && level.InScope);
            if (!inScope)
            {
                // Not so much as looked at, unless a root lies below.
                if (_node is { HasRootBelow: true })
                {
                    Descend(inScope: false);
                }

                continue;
            }

            if (_pathLength > KernelPath.MaxPathBytes)
            {
                // Nobody could read a list with it. What the task made must not be left out in silence.
                if (PassesOverTooLong || scope.IsPublic(Path))
                {
                    continue;
                }

                throw new FileStateException(
                    $"{KernelPath.Display(Path[..MaxShownBytes])}… leads to a path of more than {KernelPath.MaxPathBytes >> 10} KiB, which no snapshot holds: remove those folders, or leave them out with --exclude");
            }

            if (!TryStat(level.Descriptor, level.CurrentName))
            {
                continue;
            }

            if (mark != ScopeMark.Root && level.InScope && level.MountId != 0 && MountId() != 0 && MountId() != level.MountId)
            {
                // A mount that came after the table was read.
                continue;
            }

            if (_node is { IsAgentFolder: true, Mark: ScopeMark.Inherited } && IsDirectory && !HasOthers(level.Descriptor, level.CurrentName, _node))
            {
                continue;
            }

            _descend = IsDirectory;
            return true;
        }

        return false;
    }

    /// <summary>Whether a directory that the agent uses has anything but what is the agent's.</summary>
    private static bool HasOthers(int directory, ReadOnlySpan<byte> name, ScopeNode node)
    {
        var descriptor = NativeName.Open(directory, name, Interop.O_RDONLY | Interop.O_DIRECTORY);
        if (descriptor < 0)
        {
            // What cannot be listed is told where it is gone into.
            return true;
        }

        try
        {
            var names = new DirectoryNames();
            var has = names.TryRead(descriptor) != 0;
            for (var i = 0; i < names.Count && !has; i++)
            {
                has = node.Find(names[i]) is not { Mark: ScopeMark.Excluded };
            }

            return has;
        }
        finally
        {
            _ = Interop.close(descriptor);
        }
    }

    private ulong MountId() => (_stat.stx_mask & Interop.STATX_MNT_ID) != 0 ? _stat.stx_mnt_id : 0;

    private void Descend(bool inScope)
    {
        _descend = false;
        var flags = Interop.O_DIRECTORY | Interop.O_NOFOLLOW | Interop.O_CLOEXEC | (inScope ? Interop.O_RDONLY : Interop.O_PATH);
        int descriptor;
        // SAFETY: the name is zero-terminated and pinned for the call.
        fixed (byte* name = Name)
        {
            descriptor = Interop.openat(Directory, name, flags, 0);
        }

        if (descriptor < 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (!inScope || IsGone(errno) || (errno == Errno.EACCES && TolerateUnreadable))
            {
                return;
            }

            throw KernelPath.Failure("open the directory", Path, errno);
        }

        var level = new Level(descriptor, _pathLength, _node, inScope, inScope ? MountId() : 0);
        _levels.Add(level);
        if (inScope)
        {
            var errno = level.Names.TryRead(descriptor);
            if (errno != 0 && !IsGone(errno))
            {
                throw KernelPath.Failure("list the directory", Path, errno);
            }

            return;
        }

        for (var i = 0; i < _node!.ChildNames.Count; i++)
        {
            if (_node.Children[i].Mark == ScopeMark.Root || _node.Children[i].HasRootBelow)
            {
                level.Names.Add(_node.ChildNames[i]);
            }
        }
    }

    private bool TryStat(int directory, ReadOnlySpan<byte> name)
    {
        int result;
        // SAFETY: the name is zero-terminated; both are pinned for the call.
        fixed (byte* namePointer = name)
        fixed (Interop.StatxBuffer* stat = &_stat)
        {
            result = Interop.statx(directory, namePointer, Interop.AT_SYMLINK_NOFOLLOW | Interop.AT_NO_AUTOMOUNT, WantedStat, stat);
        }

        if (result == 0)
        {
            return true;
        }

        var errno = Marshal.GetLastPInvokeError();
        return IsGone(errno) ? false : throw KernelPath.Failure("look at", Path, errno);
    }

    /// <summary>Whether the root that the entry is in is still known to who serves it.</summary>
    private bool RootAnswers()
    {
        const int flags = Interop.AT_EMPTY_PATH | Interop.AT_NO_AUTOMOUNT | Interop.AT_STATX_FORCE_SYNC;
        Interop.StatxBuffer root;
        // SAFETY: an empty zero-terminated path and a local buffer.
        fixed (byte* empty = "\0"u8)
        {
            return _levels.FindLast(static level => level.Node is { Mark: ScopeMark.Root }) is { } level
                && Interop.statx(level.Descriptor, empty, flags, Interop.STATX_BASIC_STATS, &root) == 0;
        }
    }

    private void SetPath(int directoryLength, ReadOnlySpan<byte> name)
    {
        var start = directoryLength == 0 ? 0 : directoryLength + 1;
        _pathLength = start + name.Length;
        if (_pathLength > _path.Length)
        {
            Array.Resize(ref _path, _pathLength * 2);
        }

        if (start > 0)
        {
            _path[directoryLength] = (byte)'/';
        }

        name.CopyTo(_path.AsSpan(start));
    }

    private int RootDescriptor()
    {
        if (_rootDescriptor < 0)
        {
            // SAFETY: a zero-terminated literal.
            fixed (byte* root = "/\0"u8)
            {
                _rootDescriptor = Interop.openat(Interop.AT_FDCWD, root, Interop.O_DIRECTORY | Interop.O_CLOEXEC | Interop.O_PATH, 0);
            }
        }

        return _rootDescriptor;
    }

    private void PopLevel()
    {
        _ = Interop.close(_levels[^1].Descriptor);
        _levels.RemoveAt(_levels.Count - 1);
    }

    private sealed class Level(int descriptor, int pathLength, ScopeNode? node, bool inScope, ulong mountId)
    {
        private int _index = -1;

        public int Descriptor => descriptor;

        public int PathLength => pathLength;

        public ScopeNode? Node => node;

        public bool InScope => inScope;

        public ulong MountId => mountId;

        public DirectoryNames Names { get; } = new();

        public ReadOnlySpan<byte> CurrentName => Names.Terminated(_index);

        public bool MoveNext() => ++_index < Names.Count;
    }
}
