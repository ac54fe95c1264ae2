using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>What a put-back did at a path.</summary>
internal enum PutBackNote
{
    Removed,

    /// <summary>It was put there.</summary>
    Made,

    /// <summary>What was there already is left as it is.</summary>
    Found,
}

/// <summary>
/// The listing of everything in scope at the start, before the task ran: a sorted file of paths and signatures in the agent's
/// state directory. What differs from it later is what the task wrote; what is missing is what it removed.
/// </summary>
public sealed class FileBaseline
{
    internal const uint Magic = 0x42464C46;
    internal const uint Version = 1;

    private readonly Dictionary<(uint Major, uint Minor, ulong Inode), (FileSignature Now, FileSignature Was)> _back = [];

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
    /// Learns what a put-back did, without which later snapshots would not tell all that they must: what it removed and put here, this machine never had, and a
    /// machine that has it would keep it; what it found in place is the task's change all the same, not the image's, and shows again as all does that was put back.
    /// </summary>
    /// <param name="sortedNotes">A path may come twice: removed first.</param>
    internal void Note(IEnumerable<(byte[] Path, PutBackNote Note)> sortedNotes)
    {
        using var notes = sortedNotes.GetEnumerator();
        if (!notes.MoveNext())
        {
            // The task that was restored waits for this, and the list has a line for each file of the machine.
            return;
        }

        Rewrite((reader, writer) => Note(notes, reader, writer));
    }

    private static void Note(IEnumerator<(byte[] Path, PutBackNote Note)> notes, BaselineReader reader, BaselineWriter writer)
    {
        var hasNote = true;
        var more = reader.MoveNext();
        while (hasNote || more)
        {
            var order = !hasNote ? -1 : !more ? 1 : KernelPath.Compare(reader.Path, notes.Current.Path);
            if (order < 0)
            {
                writer.Write(reader.Path, reader.Signature);
                more = reader.MoveNext();
                continue;
            }

            var path = notes.Current.Path;
            var (isRemoved, isFound) = (false, false);
            for (; hasNote && notes.Current.Path.AsSpan().SequenceEqual(path); hasNote = notes.MoveNext())
            {
                isRemoved |= notes.Current.Note == PutBackNote.Removed;
                isFound |= notes.Current.Note == PutBackNote.Found;
            }

            if (order > 0 || reader.IsPutBack)
            {
                writer.Write(path, isRemoved ? default : FileSignature.OfPutBack);
            }
            else
            {
                writer.Write(path, isFound && !reader.IsAbsent ? reader.Signature.WithoutInode : reader.Signature);
            }

            more = order == 0 ? reader.MoveNext() : more;
        }
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

    /// <summary>A file was moved away and back again, which the kernel stamped as a change.</summary>
    internal void IsBack(in Interop.StatxBuffer now, in FileSignature was)
    {
        var before = _back.TryGetValue(Key(now), out var earlier) && earlier.Now == was ? earlier.Was : was;
        _back[Key(now)] = (new FileSignature(now), before);
    }

    /// <summary>A file's signature, but for changes that were none.</summary>
    internal FileSignature AsFound(in Interop.StatxBuffer stat) =>
        new FileSignature(stat) is var now && _back.TryGetValue(Key(stat), out var back) && back.Now == now ? back.Was : now;

    private static (uint Major, uint Minor, ulong Inode) Key(in Interop.StatxBuffer stat) => (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino);

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
