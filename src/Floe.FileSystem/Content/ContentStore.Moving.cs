using System.Globalization;
using System.Security.Cryptography;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>What makes a task's mounts, one after the other, know each other's objects.</summary>
public sealed partial class ContentStore
{
    private const string LineageName = "floe-lineage";
    private const string LifeName = "floe-life";

    private readonly string _life = RandomNumberGenerator.GetHexString(16, lowercase: true);
    private IReadOnlyDictionary<string, int> _earlierLives = new Dictionary<string, int>();

    // Snapshots that this life has had.
    private volatile int _snapshots;

    internal int Snapshots => _snapshots;

    /// <summary>The task stands still meanwhile.</summary>
    private static readonly TimeSpan s_unansweredPatience = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _handedOver = new();
    private CancellationTokenSource _freezing = new();
    private long _frozenAt;

    /// <summary>
    /// From the moment on that the files' users are being stopped for a snapshot, until it is done with. Nobody waits for uploads then, neither for room in
    /// the cache nor for their number to fall.
    /// </summary>
    internal bool IsBeingFrozen
    {
        get => BeingFrozen.IsCancellationRequested;
        set
        {
            var freezing = Volatile.Read(ref _freezing);
            var isOver = !value && freezing.IsCancellationRequested;
            if (value && !freezing.IsCancellationRequested)
            {
                _frozenAt = Time.GetTimestamp();
                _ = freezing.CancelAsync();
            }
            else if (isOver)
            {
                Volatile.Write(ref _freezing, new CancellationTokenSource());
            }

            Backlog.IsOpen = value;
            Space.IsOpen = value;
            if (isOver)
            {
                // Who waits all the same, for the disk, has waited for those who could not close their files meanwhile.
                ForgetTimeSince(_frozenAt);
            }
        }
    }

    /// <summary>Cancelled while <see cref="IsBeingFrozen"/> is set, also for whoever asked before.</summary>
    internal CancellationToken BeingFrozen => Volatile.Read(ref _freezing).Token;

    /// <summary>In the metadata of every object that is written here; taken over with a snapshot.</summary>
    public string Lineage { get; private set; } = RandomNumberGenerator.GetHexString(32, lowercase: true);

    /// <summary>
    /// Another machine has a state of this store, or will take one: from now on nothing is aborted and nothing kept. What is under way is for
    /// <see cref="PauseAsync"/> to stop.
    /// </summary>
    public void HandOver() => _handedOver.Cancel();

    /// <summary>Cancelled with <see cref="HandOver"/>.</summary>
    internal CancellationToken HandedOver => _handedOver.Token;

    /// <summary>This mount goes on where another one was.</summary>
    internal void Continue(Moving.MountState state)
    {
        Lineage = state.Lineage;
        _earlierLives = state.Lives;
    }

    /// <summary>
    /// For a snapshot, with uploads paused: the lives that led to it, each with how many snapshots it had had when it wrote the last object that
    /// this one knows. What is written from now on is behind it.
    /// </summary>
    internal IReadOnlyDictionary<string, int> EndLife() => new Dictionary<string, int>(_earlierLives) { [_life] = _snapshots++ };

    /// <summary>
    /// For a snapshot, with uploads paused: files whose upload got through unanswered rest on it from now on, so that the snapshot says so. A bucket
    /// that does not answer is not waited for.
    /// </summary>
    internal async Task TakeUnansweredAsync(CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(s_unansweredPatience, Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            await Parallel.ForEachAsync(
                Contents(), new ParallelOptions { MaxDegreeOfParallelism = Options.MaxUploads, CancellationToken = either.Token },
                static async (content, token) => await content.TryLookForUnansweredAsync(token).ConfigureAwait(false)).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
        }
    }

    /// <summary>A content that came with a snapshot.</summary>
    internal FileContent Import(ContentTarget target, Moving.ContentState state)
    {
        var content = FileContent.Import(this, target, state);
        Track(content);
        return content;
    }

    internal bool IsOwn(BucketObject found) => found.Metadata.GetValueOrDefault(LineageName) == Lineage;

    /// <summary>
    /// Whether the object was written by a life of this task that went on from the snapshot that this mount goes on from, or an earlier one, and
    /// was lost: it is not what the task left.
    /// </summary>
    internal bool IsOfLostLife(BucketObject found) =>
        IsOwn(found) && found.Metadata.GetValueOrDefault(LifeName)?.Split('-') is [var life, var count] && life != _life
        && !(_earlierLives.TryGetValue(life, out var last) && int.TryParse(count, CultureInfo.InvariantCulture, out var snapshots) && snapshots <= last);

    internal ObjectHeaders HeadersOf(ContentTarget target)
    {
        var headers = target.Headers();
        return headers with { Metadata = new Dictionary<string, string>(headers.Metadata) { [LineageName] = Lineage, [LifeName] = $"{_life}-{_snapshots}" } };
    }
}
