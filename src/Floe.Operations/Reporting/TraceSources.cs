using Floe.Agent.Trace;
using Floe.S3;

namespace Floe.Operations.Reporting;

/// <summary>
/// Where `floe report` finds traces: a file, every trace.json below a folder, or those of a store or bucket prefix. A task whose trace lies in its
/// store and in its work directory too counts once: documents of one key that share an attempt are the same, and the one that tells more stays.
/// </summary>
public sealed class TraceSources(Func<StoreUrl, IObjectStore> open)
{
    public const string FileName = "trace.json";
    private const int MaxParallel = 64;

    private readonly List<TraceDocument> _found = [];
    private readonly Dictionary<(string Key, string Attempt), int> _placeOf = [];
    private readonly List<SkippedTrace> _skipped = [];
    private readonly Lock _gate = new();

    public IReadOnlyList<TraceDocument> Found => _found;

    public IReadOnlyList<SkippedTrace> Skipped => _skipped;

    /// <exception cref="FileNotFoundException">There is no such file or folder; the message is one line for the user.</exception>
    /// <exception cref="FormatException">The text is no place at all.</exception>
    /// <exception cref="ObjectStoreException">The store cannot be read.</exception>
    public async Task ReadAsync(string source, CancellationToken cancellationToken)
    {
        if (source.Contains("://", StringComparison.Ordinal))
        {
            var url = StoreUrl.TryParse(source, out var error) ?? throw new FormatException(error);
            if (url.Scheme == "file")
            {
                await ReadFolderAsync(url.Path, cancellationToken).ConfigureAwait(false);
                return;
            }

            await ReadStoreAsync(url, cancellationToken).ConfigureAwait(false);
        }
        else if (File.Exists(source))
        {
            await ReadFileAsync(source, named: true, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await ReadFolderAsync(source, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task ReadFolderAsync(string folder, CancellationToken cancellationToken)
    {
        if (!Directory.Exists(folder))
        {
            throw new FileNotFoundException($"'{folder}' is neither a file nor a folder; give a work directory, a store or a trace.json");
        }

        // Links are not followed: a work directory is full of them, and they may go round in rings.
        var options = new EnumerationOptions
        {
            RecurseSubdirectories = true,
            IgnoreInaccessible = true,
            AttributesToSkip = FileAttributes.ReparsePoint,
            MatchType = MatchType.Simple,
            MatchCasing = MatchCasing.CaseSensitive,
        };
        foreach (var path in Directory.EnumerateFiles(folder, FileName, options))
        {
            await ReadFileAsync(path, named: false, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task ReadFileAsync(string path, bool named, CancellationToken cancellationToken)
    {
        try
        {
            var length = new FileInfo(path).Length;
            Take(path, length > TraceLimits.MaxBytes ? null : await File.ReadAllBytesAsync(path, cancellationToken).ConfigureAwait(false), named);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Skip(path, e.Message);
        }
    }

    private async Task ReadStoreAsync(StoreUrl url, CancellationToken cancellationToken)
    {
        var store = open(url);
        await using (store.ConfigureAwait(false))
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = MaxParallel, CancellationToken = cancellationToken };
            await Parallel.ForEachAsync(KeysAsync(store, cancellationToken), options, async (key, token) =>
            {
                var where = $"{url}/{key}";
                try
                {
                    if (await store.GetAsync(key, TraceLimits.MaxBytes, token).ConfigureAwait(false) is { } found)
                    {
                        Take(where, found.Content, named: false);
                    }
                }
                catch (ObjectStoreException e) when (e.Kind == ObjectStoreErrorKind.TooLarge)
                {
                    Take(where, null, named: false);
                }
            }).ConfigureAwait(false);
        }
    }

    /// <summary>A store says by itself where its traces are; any other prefix is listed through.</summary>
    private static async IAsyncEnumerable<ObjectKey> KeysAsync(
        IObjectStore store, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (await store.HeadAsync(new ObjectKey("floe.json"), cancellationToken).ConfigureAwait(false) is not null)
        {
            await foreach (var folder in store.ListFoldersAsync(new ObjectKey("tasks/"), cancellationToken).ConfigureAwait(false))
            {
                yield return new ObjectKey(folder.Value + FileName);
            }

            yield break;
        }

        await foreach (var item in store.ListAsync(new ObjectKey(""), cancellationToken).ConfigureAwait(false))
        {
            if (item.Key.Value == FileName || item.Key.Value.EndsWith("/" + FileName, StringComparison.Ordinal))
            {
                yield return item.Key;
            }
        }
    }

    /// <param name="named">The user asked for this very file: then it must be a trace.</param>
    private void Take(string where, byte[]? bytes, bool named)
    {
        if (bytes is null)
        {
            Skip(where, $"is larger than {TraceLimits.MaxBytes >> 20} MiB");
            return;
        }

        if (TraceCodec.TryRead(bytes, out var problem) is { } trace)
        {
            lock (_gate)
            {
                Add(trace);
            }
        }
        else
        {
            Skip(where, problem!);
        }

        if (named && problem is not null)
        {
            throw new FormatException($"{where} {problem}");
        }
    }

    private void Add(TraceDocument trace)
    {
        var place = trace.Attempts.Select(a => _placeOf.GetValueOrDefault((trace.Key, a.Id), -1)).FirstOrDefault(p => p >= 0, -1);
        if (place < 0)
        {
            place = _found.Count;
            _found.Add(trace);
        }
        else if (Told(trace).CompareTo(Told(_found[place])) > 0)
        {
            _found[place] = trace;
        }

        foreach (var attempt in trace.Attempts)
        {
            _placeOf[(trace.Key, attempt.Id)] = place;
        }
    }

    /// <summary>Attempts in all, and the last one's end, or the last thing that is known of it.</summary>
    private static (int Attempts, DateTimeOffset Last) Told(TraceDocument trace) =>
        (trace.Attempts.Count + trace.AttemptsDropped, trace.Attempts is [.., var last] ? last.EndedAt ?? last.Snapshots.Select(s => s.StartedAt).Append(last.RunningAt ?? last.StartedAt).Max() : default);

    private void Skip(string where, string problem)
    {
        lock (_gate)
        {
            _skipped.Add(new SkippedTrace(where, problem));
        }
    }
}
