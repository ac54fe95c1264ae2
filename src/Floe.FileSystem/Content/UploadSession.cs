using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>A multipart upload under way and what has reached it. Guarded by the content's lock.</summary>
internal sealed class UploadSession(UploadTicket ticket, string bucket, IReadOnlyDictionary<string, string>? metadata = null)
{
    public UploadTicket Ticket => ticket;

    public string Bucket => bucket;

    /// <summary>That the object will have; null: the upload came with a snapshot, and they are not known.</summary>
    public IReadOnlyDictionary<string, string>? Metadata => metadata;

    /// <summary>Parts that the bucket has, with the content's version of them.</summary>
    public Dictionary<int, (UploadedPart Part, int Version)> Sent { get; } = [];

    /// <summary>
    /// Parts whose sending ended without an answer, with the version that may still arrive; -1: several. It would replace another one sent since.
    /// </summary>
    public Dictionary<int, int> Unanswered { get; } = [];

    /// <summary>Parts that a snapshot refers to: whatever becomes of this upload, they are never sent again under their number.</summary>
    public IReadOnlySet<int> Sealed => _sealed;

    /// <summary>Completes when no part is on its way.</summary>
    public Task Idle { get; private set; } = Task.CompletedTask;

    private readonly HashSet<int> _sealed = [];

    // Those of the snapshot that is being taken.
    private readonly HashSet<int> _sealedLast = [];
    private TaskCompletionSource? _idle;
    private int _running;

    /// <summary>A snapshot is being taken that refers to these parts.</summary>
    public void Seal(IEnumerable<int> numbers) => _sealedLast.UnionWith(numbers.Where(_sealed.Add));

    /// <param name="isDropped">The snapshot came to nothing.</param>
    public void EndCapture(bool isDropped)
    {
        if (isDropped)
        {
            _sealed.ExceptWith(_sealedLast);
        }

        _sealedLast.Clear();
    }

    public void Begin()
    {
        if (_running++ == 0)
        {
            _idle = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Idle = _idle.Task;
        }
    }

    public void End()
    {
        if (--_running == 0)
        {
            _idle!.SetResult();
        }
    }
}
