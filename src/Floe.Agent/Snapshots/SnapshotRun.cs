using Floe.Agent.Control;
using Floe.Agent.Files;
using Floe.Agent.Memory;
using Floe.Agent.Preflight;
using Floe.Agent.Tasks;
using Floe.Criu.Dump;
using Floe.Criu.Streaming;
using Floe.Store;

namespace Floe.Agent.Snapshots;

/// <summary>One snapshot while it is taken: the work done in the stillness, and how far it is.</summary>
internal sealed class SnapshotRun : IAsyncDisposable
{
    // A reader that takes nothing for this long does not hold the snapshot up: what is left travels with it.
    private static readonly TimeSpan s_outputPatience = TimeSpan.FromMilliseconds(500);

    // Each snapshot that leaves the task running takes a pipe's worth out of the way of a reader that stands still. Without a bound well below the backlog's own
    // the one that saves the task would fail in the end.
    private const int MaxHeldBytes = 64 * 1024 * 1024;

    private readonly SnapshotContext _context;
    private readonly RunningTask _task;
    private readonly bool _leaveRunning;
    private readonly TimeProvider _time;
    private readonly MemoryCapture _memory;
    private readonly long _started;
    private long _expectedBytes;
    private long _frozenAt;
    private int _processes;
    private Manifest? _manifest;

    /// <param name="cancellationToken">Ends the reading of memory, which goes on beside CRIU, and whoever waits for the store.</param>
    public SnapshotRun(SnapshotContext context, RunningTask task, bool leaveRunning, TimeProvider time, CancellationToken cancellationToken)
    {
        _context = context;
        _task = task;
        _leaveRunning = leaveRunning;
        _time = time;
        _started = time.GetTimestamp();
        var resident = ProcessTree.Read("/proc", task.Root.Pid, CancellationToken.None).Sum(p => p.Stat.ResidentBytes);
        Writer = context.Store.BeginSnapshot(context.Lease, context.Known, new SnapshotWriterOptions
        {
            BufferBudgetBytes = SnapshotWriterOptions.BudgetFor(resident),
            KeepSnapshots = context.Options.KeepSnapshots,
            Stop = cancellationToken,
        });
        _memory = new MemoryCapture(
            Writer, CaptureThreads, () => !ResidentMemory.LiesInOneProcess([.. ProcessTree.Read("/proc", task.Root.Pid, CancellationToken.None).Select(p => p.Pid)]), cancellationToken);
        Images = new ContentImageSink(Writer, _memory);
    }

    public SnapshotWriter Writer { get; }

    /// <summary>Where CRIU's images go.</summary>
    public IImageSink Images { get; }

    public CaptureProgress Progress
    {
        get
        {
            var phase = _manifest is not null ? "committed" : _frozenAt == 0 ? "freezing" : "capturing";
            var done = Writer.Progress;
            return new CaptureProgress(phase, done.RawBytes, _expectedBytes, done.NewBytes, done.UploadedBytes, Millis(_started));
        }
    }

    /// <summary>Files in scope that something outside the frozen task wrote meanwhile: their content may be torn.</summary>
    public IReadOnlyList<string> FilesChangedByOthers { get; private set; } = [];

    /// <summary>Files that the task has open for writing and that stay behind.</summary>
    public IReadOnlyCollection<string> FilesLeftBehind { get; private set; } = [];

    /// <summary>CRIU's post-dump moment: every image is here and no process of the task moves. When this returns, the snapshot is committed.</summary>
    public async Task CommitFrozenAsync(FrozenTask frozen, CancellationToken cancellationToken)
    {
        _frozenAt = _time.GetTimestamp();
        var frozenAt = _time.GetUtcNow();
        _processes = frozen.Processes.Count;
        _expectedBytes = Writer.Progress.RawBytes + frozen.MemoryBytes - _memory.BytesRead;

        // Stopped writers write no more: what the pipes hold is either passed on now or travels along.
        var (stdout, stderr) = await _task.Output.PauseAsync(s_outputPatience, _leaveRunning ? MaxHeldBytes : SnapshotNames.MaxBacklogBytes, _time, cancellationToken).ConfigureAwait(false);
        if (_task.Output.Refusal is { } refusal)
        {
            throw SnapshotFailedException.OutputRefused(refusal);
        }

        // What cannot be captured is known before gigabytes have gone up, and the task does not stand still for those.
        FileCaptureResult? files = null;
        var resident = Task.Run(() => ResidentMemory.Bytes([.. frozen.Processes.Select(p => p.Pid)]), cancellationToken);
        await Completion.RunAllAsync(
            cancellationToken,
            _memory.FinishAsync,
            async stop => files = await FileCapture.RunAsync(
                _context.Scope, _context.Baseline, Writer, new FileCaptureOptions { Processes = [.. frozen.Processes.Select(p => p.Pid)], Written = _context.Written }, stop).ConfigureAwait(false),
            stop => _context.Mount?.CaptureAsync(Writer, _leaveRunning, stop) ?? Task.CompletedTask,
            _ => Task.Run(
                () =>
                {
                    StoredBytes.WriteEither(Writer, SnapshotNames.StdoutBacklog, stdout);
                    StoredBytes.WriteEither(Writer, SnapshotNames.StderrBacklog, stderr);
                },
                CancellationToken.None)).ConfigureAwait(false);
        var memoryBytes = await resident.ConfigureAwait(false) is > 0 and var bytes ? bytes : frozen.MemoryBytes;
        (FilesChangedByOthers, FilesLeftBehind) = (files!.ChangedWhileRead, files.HeldOutside);
        var captured = Millis(_frozenAt);

        // If CRIU had died meanwhile the task would have run on under our hands.
        frozen.EnsureFrozen();
        var timings = new SnapshotTimings { DumpMillis = (long)_time.GetElapsedTime(_started, _frozenAt).TotalMilliseconds, CaptureMillis = captured };
        _manifest = await Writer.CommitAsync(Facts.Task(_context, _task, frozen, frozenAt, memoryBytes), Facts.Machine(_context), timings, cancellationToken).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await _memory.DisposeAsync().ConfigureAwait(false);
        await Writer.DisposeAsync().ConfigureAwait(false);
    }

    public SnapshotReport Report(TimeSpan frozen, bool taskRuns) => new()
    {
        Key = _context.Options.Key,
        Sequence = _manifest!.Seq,
        TaskRuns = taskRuns,
        Processes = _processes,
        ReadBytes = _manifest.Totals.RawBytes,
        ZeroBytes = _manifest.Totals.ZeroBytes,
        DedupBytes = _manifest.Totals.DedupBytes,
        NewBytes = _manifest.Totals.NewBytes,
        SentBytes = _manifest.Totals.UploadedBytes,
        FrozenMillis = (long)frozen.TotalMilliseconds,
        TotalMillis = Millis(_started),
        Timings = _manifest.Timings,
    };

    /// <summary>One a processor: reading, hashing and compressing are CPU work, and the task stands still.</summary>
    private static int CaptureThreads => Math.Clamp(Environment.ProcessorCount, 1, 32);

    private long Millis(long since) => (long)_time.GetElapsedTime(since).TotalMilliseconds;
}
