using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// The open directories from "/" down to where put-back is at. Records come in path order, so every directory is opened once
/// and left when all below it is done; only then does it get its metadata, since changes below would undo its times.
/// </summary>
internal sealed class DirectoryTrail(ScopeTree scope, StagingArea staging) : IDisposable
{
    private readonly List<Level> _levels = [];

    /// <summary>Goes to a directory and returns its descriptor, which this owns.</summary>
    /// <exception cref="FileStateException">It does not exist.</exception>
    public int Enter(ReadOnlySpan<byte> path)
    {
        var result = TryEnter(path);
        return result >= 0 ? result : throw DirectoryPath.Failure(path, -result);
    }

    /// <returns>A descriptor that this owns, or minus errno.</returns>
    public int TryEnter(ReadOnlySpan<byte> path)
    {
        LeaveUntilAbove(path);
        if (_levels.Count == 0)
        {
            var top = NativeName.Open(Interop.AT_FDCWD, "/\0"u8, FlagsFor([]));
            NativeName.Check(Math.Min(top, 0) * -1, "open", []);
            _levels.Add(new Level([], top, null));
        }

        while (_levels[^1].Path.Length < path.Length)
        {
            var start = _levels[^1].Path.Length == 0 ? 0 : _levels[^1].Path.Length + 1;
            var slash = path[start..].IndexOf((byte)'/');
            var end = slash < 0 ? path.Length : start + slash;
            var next = NativeName.Open(_levels[^1].Descriptor, NativeName.Terminated(path[start..end]), FlagsFor(path[..end]));
            if (next < 0)
            {
                return next;
            }

            _levels.Add(new Level(path[..end].ToArray(), next, null));
        }

        return _levels[^1].Descriptor;
    }

    /// <summary>To be called before a name in the current directory changes: keeps its times, which the task did not change if there is no record of it.</summary>
    public void AboutToChange()
    {
        var level = _levels[^1];
        if (level.Record is null && level.Modified is null)
        {
            NativeName.Check(NativeName.Stat(level.Descriptor, NativeName.Self, out var stat), "look at", level.Path);
            level.Modified = new FileTime(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec);
        }
    }

    /// <summary>Goes into a directory that has a record.</summary>
    public void Enter(FileRecord directory)
    {
        Enter(directory.Path);
        _levels[^1].Record = directory;
    }

    /// <summary>Leaves all directories, each of which gets its metadata.</summary>
    public void Finish()
    {
        while (_levels.Count > 0)
        {
            Leave();
        }
    }

    public void Dispose()
    {
        foreach (var level in _levels)
        {
            _ = Interop.close(level.Descriptor);
        }

        _levels.Clear();
    }

    private int FlagsFor(ReadOnlySpan<byte> path) =>
        Interop.O_DIRECTORY | (scope.Contains(path, out _, out _) ? Interop.O_RDONLY : Interop.O_PATH);

    private void LeaveUntilAbove(ReadOnlySpan<byte> path)
    {
        while (_levels.Count > 0 && !KernelPath.IsAtOrBelow(path, _levels[^1].Path))
        {
            Leave();
        }
    }

    private void Leave()
    {
        var level = _levels[^1];
        _levels.RemoveAt(_levels.Count - 1);
        try
        {
            if (staging.TryTakeOverRoot(level.Path, level.Record))
            {
                return;
            }

            if (level.Record is { } record)
            {
                InodeMetadata.Apply(level.Descriptor, NativeName.Self, record);
            }
            else if (level.Modified is { } modified)
            {
                InodeMetadata.RestoreModified(level.Descriptor, modified, level.Path);
            }
        }
        finally
        {
            _ = Interop.close(level.Descriptor);
        }
    }

    private sealed class Level(byte[] path, int descriptor, FileRecord? record)
    {
        public byte[] Path => path;

        public int Descriptor => descriptor;

        public FileRecord? Record { get; set; } = record;

        public FileTime? Modified { get; set; }
    }
}
