namespace Floe.Agent.Files;

/// <summary>
/// Files that were put back, and what they replaced. Either the task is going to run with them (<see cref="Keep"/>), or dispose takes
/// them back: what was there before is there again, and the baseline knows it. What is new stays, for the next review to remove.
/// </summary>
public sealed class FilesInPlace : IDisposable
{
    private readonly StagingArea _staging;
    private readonly SetAside _aside;
    private readonly FileBaseline? _baseline;
    private readonly FileList _list;
    private readonly Action _note;
    private readonly Action<IReadOnlyList<string>>? _saved;
    private bool _settled;

    /// <param name="list">Owned by this.</param>
    /// <param name="note">Tells the baseline what was done.</param>
    /// <param name="saved">See <see cref="PutBackOptions.Saved"/>.</param>
    internal FilesInPlace(StagingArea staging, SetAside aside, FileBaseline? baseline, FileList list, Action note, Action<IReadOnlyList<string>>? saved)
    {
        _saved = saved;
        _staging = staging;
        _aside = aside;
        _baseline = baseline;
        _list = list;
        _note = note;
    }

    public PutBackResult Result { get; internal set; } = new(0, 0, 0);

    /// <summary>After <see cref="Keep"/>: directories with what was there before that could not be removed.</summary>
    public IReadOnlyList<string> LeftBehind => _staging.LeftBehind;

    /// <summary>After <see cref="Keep"/>: why directories that hold the task's files have not the owner, mode, attributes or times that they had.</summary>
    public IReadOnlyList<string> NotAsRecorded => _staging.NotAsRecorded;

    /// <summary>The task has these files now: what was there before them is removed, where it can be.</summary>
    public void Keep()
    {
        _note();
        _settled = true;
        _staging.Finish();
    }

    public void Dispose()
    {
        if (!_settled)
        {
            _settled = true;
            try
            {
                var back = _aside.BringBack(_baseline);
                _baseline?.Recognize(back);
            }
            catch (Exception e) when (e is IOException or FileStateException)
            {
                // The failure that led here is the one to report; what is missing shows when the next snapshot is put back.
            }
        }

        _staging.Dispose();
        _list.Dispose();
        if (_aside.Saved.Count > 0)
        {
            _saved?.Invoke(_aside.Saved);
        }
    }
}
