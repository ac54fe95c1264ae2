using Floe.Agent;
using Floe.S3;
using Floe.Store;
using Microsoft.Extensions.Logging;

namespace Floe.Cli.Console;

/// <summary>A store that is opened for one verb and closed after it. It must exist already.</summary>
internal sealed class StoreSession : IAsyncDisposable
{
    private readonly IObjectStore _objects;

    private StoreSession(IObjectStore objects, SnapshotStore store)
    {
        _objects = objects;
        Store = store;
    }

    public SnapshotStore Store { get; }

    public string Url => _objects.Url.ToString();

    /// <exception cref="ObjectStoreException">It cannot be reached, or is no store.</exception>
    public static async Task<StoreSession> OpenAsync(string? url, ILoggerFactory log, CancellationToken cancellationToken)
    {
        var objects = ObjectStores.Open(StoreOption.Parse(url), StoreOptions.FromEnvironment(), log, TimeProvider.System);
        try
        {
            var options = new SnapshotStoreOptions { TimeProvider = TimeProvider.System, Logger = log.CreateLogger("store") };
            return new StoreSession(objects, await SnapshotStore.OpenAsync(objects, options, false, cancellationToken).ConfigureAwait(false));
        }
        catch
        {
            await objects.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <exception cref="FloeException">The text is no key.</exception>
    public static TaskKey Key(string? text) =>
        TaskKey.TryParse(text, out var key, out var error) ? key : throw new FloeException(ExitCodes.Usage, $"'{text}': {error}");

    public ValueTask DisposeAsync() => _objects.DisposeAsync();
}
