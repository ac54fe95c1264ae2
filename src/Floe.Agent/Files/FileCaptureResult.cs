using Floe.Linux.Processes;

namespace Floe.Agent.Files;

public sealed record FileCaptureOptions
{
    /// <summary>Threads that read file contents.</summary>
    public int ReaderCount { get; init; } = Math.Clamp(Environment.ProcessorCount, 2, 8);

    /// <summary>How many files it has open at once, but for one a segment in any case. Connections to the store, and a mount's files, take their share of the limit.</summary>
    public int MaxOpenFiles { get; init; } = DescriptorLimit.Current / 4;

    /// <summary>Content streams that files are spread over; a restore writes as many in parallel. At most <see cref="FileStreams.MaxContentStreams"/>.</summary>
    public int ContentStreamCount { get; init; } = 4;

    /// <summary>The frozen task's processes: what they have open for writing is theirs.</summary>
    public IReadOnlyList<int> Processes { get; init; } = [];

    /// <summary>What the task has closed after writing; null where that is not known.</summary>
    public WrittenFiles? Written { get; init; }

    /// <summary>Counts while the capture runs.</summary>
    public FileCaptureProgress Progress { get; init; } = new();
}

/// <summary>Counters that one capture raises and any thread may read.</summary>
public sealed class FileCaptureProgress
{
    private long _entriesScanned;
    private long _bytesFound;
    private long _bytesRead;

    public long EntriesScanned => Interlocked.Read(ref _entriesScanned);

    /// <summary>Length of the changed files found so far, holes included.</summary>
    public long BytesFound => Interlocked.Read(ref _bytesFound);

    /// <summary>How much of <see cref="BytesFound"/> has been read or passed over as holes.</summary>
    public long BytesRead => Interlocked.Read(ref _bytesRead);

    internal void Scanned() => Interlocked.Increment(ref _entriesScanned);

    internal void Found(long bytes) => Interlocked.Add(ref _bytesFound, bytes);

    internal void Read(long bytes) => Interlocked.Add(ref _bytesRead, bytes);
}

/// <param name="EntriesScanned">Paths in scope.</param>
/// <param name="RecordCount">Paths that differ from the baseline, removed ones included.</param>
/// <param name="DeletedCount">Of these, removed ones; a removed directory counts once.</param>
/// <param name="ContentBytes">Length of the captured files, holes included.</param>
/// <param name="ChangedWhileRead">Files that some process outside the frozen tree wrote during the capture (the first ten): their content may be torn.</param>
public sealed record FileCaptureResult(
    long EntriesScanned, long RecordCount, long DeletedCount, long ContentBytes, IReadOnlyList<string> ChangedWhileRead)
{
    /// <summary>The first few files that the task has open for writing and that do not travel, because nobody named their folder.</summary>
    public IReadOnlyCollection<string> HeldOutside { get; init; } = [];
}
