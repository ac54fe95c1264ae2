using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// The listing of everything in scope at the start, before the task ran: a sorted file of paths and signatures in the agent's
/// state directory. What differs from it later is what the task wrote; what is missing is what it removed.
/// </summary>
public sealed class FileBaseline
{
    internal const uint Magic = 0x42464C46;
    internal const uint Version = 1;

    private FileBaseline(string stateFilePath, long entryCount)
    {
        StateFilePath = stateFilePath;
        EntryCount = entryCount;
    }

    public string StateFilePath { get; }

    public long EntryCount { get; private set; }

    /// <summary>Lists the scope and writes the listing to <paramref name="stateFilePath"/>, replacing what is there. Take it before files are put back and before the task starts.</summary>
    /// <exception cref="FileStateException">A directory in scope cannot be listed.</exception>
    public static Task<FileBaseline> TakeAsync(FileScope scope, string stateFilePath, CancellationToken cancellationToken) =>
        Task.Run(() => Take(scope, stateFilePath, cancellationToken), cancellationToken);

    /// <summary>A listing taken earlier on this machine, for going back in place.</summary>
    /// <exception cref="FileStateException">The file is damaged or of another version.</exception>
    public static FileBaseline Open(string stateFilePath)
    {
        using var reader = new BaselineReader(stateFilePath);
        long count = 0;
        while (reader.MoveNext())
        {
            count++;
        }

        return new FileBaseline(stateFilePath, count);
    }

    internal BaselineReader OpenReader() => new(StateFilePath);

    /// <summary>
    /// Adds paths that a snapshot removed and that this machine never had. Without them a later snapshot, put back on a machine
    /// that has them, would bring them back.
    /// </summary>
    internal void AddAbsent(IReadOnlyCollection<byte[]> sortedPaths)
    {
        if (sortedPaths.Count == 0)
        {
            return;
        }

        Rewrite((reader, writer) =>
        {
            var more = reader.MoveNext();
            foreach (var path in sortedPaths)
            {
                while (more && KernelPath.Compare(reader.Path, path) < 0)
                {
                    writer.Write(reader.Path, reader.Signature);
                    more = reader.MoveNext();
                }

                if (!more || !reader.Path.SequenceEqual(path))
                {
                    writer.Write(path, default);
                }
            }

            for (; more; more = reader.MoveNext())
            {
                writer.Write(reader.Path, reader.Signature);
            }
        });
    }

    /// <summary>
    /// What a snapshot holds and put-back found in place is the task's change all the same, not the image's: it shows again at the next snapshot,
    /// as all does that was put back.
    /// </summary>
    internal void NoteFound(IReadOnlyCollection<byte[]> sortedPaths)
    {
        if (sortedPaths.Count == 0)
        {
            return;
        }

        Rewrite((reader, writer) =>
        {
            using var found = sortedPaths.GetEnumerator();
            var hasFound = found.MoveNext();
            while (reader.MoveNext())
            {
                while (hasFound && KernelPath.Compare(found.Current, reader.Path) < 0)
                {
                    hasFound = found.MoveNext();
                }

                var isFound = hasFound && reader.Path.SequenceEqual(found.Current) && !reader.IsAbsent;
                writer.Write(reader.Path, isFound ? reader.Signature.WithoutInode : reader.Signature);
            }
        });
    }

    /// <summary>
    /// What was moved away and back again, at those paths and below, has another change time, and on an overlay perhaps another inode:
    /// where all else is as the listing says, it is what the listing means.
    /// </summary>
    internal void Recognize(IReadOnlyCollection<byte[]> sortedPaths)
    {
        if (sortedPaths.Count == 0)
        {
            return;
        }

        Rewrite((reader, writer) =>
        {
            using var moved = sortedPaths.GetEnumerator();
            var hasMoved = moved.MoveNext();
            while (reader.MoveNext())
            {
                while (hasMoved && !KernelPath.IsAtOrBelow(reader.Path, moved.Current) && KernelPath.Compare(moved.Current, reader.Path) < 0)
                {
                    hasMoved = moved.MoveNext();
                }

                var isMoved = hasMoved && !reader.Signature.IsWithoutInode && KernelPath.IsAtOrBelow(reader.Path, moved.Current);
                writer.Write(reader.Path, isMoved ? Now(reader.Path, reader.Signature) : reader.Signature);
            }
        });
    }

    private static FileSignature Now(ReadOnlySpan<byte> path, in FileSignature before)
    {
        var directory = DirectoryPath.TryOpen(KernelPath.Parent(path));
        if (directory < 0)
        {
            return before;
        }

        try
        {
            return NativeName.Stat(directory, NativeName.Terminated(KernelPath.Name(path)), out var stat) == 0
                && new FileSignature(stat) is var now && now.IsSameButMoved(before) ? now : before;
        }
        finally
        {
            _ = Interop.close(directory);
        }
    }

    private void Rewrite(Action<BaselineReader, BaselineWriter> write)
    {
        using (var reader = OpenReader())
        using (var writer = new BaselineWriter(StateFilePath + ".new", reader.Instant))
        {
            write(reader, writer);
            writer.Finish();
            EntryCount = writer.Count;
        }

        File.Move(StateFilePath + ".new", StateFilePath, overwrite: true);
    }

    private static unsafe FileBaseline Take(FileScope scope, string stateFilePath, CancellationToken cancellationToken)
    {
        Interop.Timespec instant;
        if (Interop.clock_gettime(Interop.CLOCK_REALTIME_COARSE, &instant) != 0)
        {
            throw LinuxException.Last("clock_gettime");
        }

        long count;
        using (var walker = new TreeWalker(scope.Resolve()) { TolerateUnreadable = true, PassesOverTooLong = true })
        using (var writer = new BaselineWriter(stateFilePath + ".new", instant))
        {
            while (walker.MoveNext())
            {
                cancellationToken.ThrowIfCancellationRequested();
                writer.Write(walker.Path, new FileSignature(walker.Stat));
            }

            writer.Finish();
            count = writer.Count;
        }

        File.Move(stateFilePath + ".new", stateFilePath, overwrite: true);
        return new FileBaseline(stateFilePath, count);
    }

    private sealed class BaselineWriter : IDisposable
    {
        private readonly RecordWriter _writer;

        public BaselineWriter(string path, Interop.Timespec instant)
        {
            _writer = new RecordWriter(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0));
            _writer.UInt32(Magic);
            _writer.UInt32(Version);
            _writer.Signed(instant.tv_sec);
            _writer.Number((ulong)instant.tv_nsec);
        }

        public long Count { get; private set; }

        public void Write(ReadOnlySpan<byte> path, in FileSignature signature)
        {
            Count++;
            _writer.Byte(BaselineReader.EntryMark);
            _writer.Path(path);
            _writer.Raw(MemoryMarshal.AsBytes(new ReadOnlySpan<FileSignature>(in signature)));
        }

        public void Finish()
        {
            _writer.Byte(BaselineReader.EndMark);
            _writer.Flush();
        }

        public void Dispose() => _writer.Dispose();
    }
}
