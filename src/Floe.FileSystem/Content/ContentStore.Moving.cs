using System.Security.Cryptography;
using Floe.S3.Buckets;

namespace Floe.FileSystem.Content;

/// <summary>What makes a task's mounts, one after the other, know each other's objects.</summary>
public sealed partial class ContentStore
{
    private const string LineageName = "floe-lineage";

    private readonly CancellationTokenSource _handedOver = new();

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
    internal void Continue(string lineage) => Lineage = lineage;

    /// <summary>A content that came with a snapshot.</summary>
    internal FileContent Import(ContentTarget target, Moving.ContentState state)
    {
        var content = FileContent.Import(this, target, state);
        Track(content);
        return content;
    }

    internal bool IsOwn(BucketObject found) => found.Metadata.GetValueOrDefault(LineageName) == Lineage;

    internal ObjectHeaders HeadersOf(ContentTarget target)
    {
        var headers = target.Headers();
        return headers with { Metadata = new Dictionary<string, string>(headers.Metadata) { [LineageName] = Lineage } };
    }
}
