using Floe.Agent.Trace;
using Floe.Operations.Reporting;
using Floe.Operations.Tests.Trace;
using Floe.S3;
using Floe.Testing;
using Xunit;

namespace Floe.Operations.Tests.Reporting;

public sealed class TraceSourcesTests : IDisposable
{
    private readonly ScratchFolder _folder = new();
    private readonly TraceSources _sources;

    public TraceSourcesTests() => _sources = new TraceSources(url => ObjectStores.Open(Folder(url), new ObjectStoreOptions()));

    [Fact]
    public async Task ReadAsync_WorkDirectory_FindsEveryTraceAndFollowsNoLink()
    {
        Write("ab/1/trace.json", Traces.Survivor("one"));
        Write("cd/2/trace.json", Traces.Survivor("two"));
        Write("cd/2/other.json", Traces.Survivor("not this"));
        Directory.CreateSymbolicLink(_folder["ab/ring"], _folder.Path);
        await _sources.ReadAsync(_folder.Path, default);
        Assert.Equal(["one", "two"], _sources.Found.Select(t => t.Key).Order());
        Assert.Empty(_sources.Skipped);
    }

    [Fact]
    public async Task ReadAsync_SomethingElseCalledSo_IsNamedAndPassedOver()
    {
        Write("good/trace.json", Traces.Survivor("one"));
        Write("bad/trace.json", "[]");
        Write("big/trace.json", new string(' ', TraceLimits.MaxBytes + 1));
        await _sources.ReadAsync("file://" + _folder.Path, default);
        Assert.Single(_sources.Found);
        Assert.Equal(["bad", "big"], _sources.Skipped.Select(s => Path.GetFileName(Path.GetDirectoryName(s.Where))).Order());
    }

    [Fact]
    public async Task ReadAsync_AFileThatIsNoTrace_IsAnError()
    {
        Write("x.json", "{}");
        var e = await Assert.ThrowsAsync<FormatException>(() => _sources.ReadAsync(_folder["x.json"], default));
        Assert.Contains("no trace", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ReadAsync_NoSuchFolder_IsAnError() =>
        await Assert.ThrowsAsync<FileNotFoundException>(() => _sources.ReadAsync(_folder["none"], default));

    [Fact]
    public async Task ReadAsync_Store_ReadsTheTracesOfItsTasks()
    {
        Write("bucket/floe/floe.json", "{}");
        Write("bucket/floe/tasks/one/trace.json", Traces.Survivor("one"));
        Write("bucket/floe/tasks/none/lease.json", "{}");
        Write("bucket/floe/tasks/one/snapshots/trace.json", "not looked at");
        await _sources.ReadAsync("s3://bucket/floe", default);
        Assert.Equal("one", Assert.Single(_sources.Found).Key);
        Assert.Empty(_sources.Skipped);
    }

    [Fact]
    public async Task ReadAsync_BucketPrefix_IsListedThrough()
    {
        Write("bucket/runs/ab/cd/trace.json", Traces.Survivor("one"));
        Write("bucket/runs/ab/cd/xtrace.json", "{}");
        await _sources.ReadAsync("s3://bucket/runs", default);
        Assert.Equal("one", Assert.Single(_sources.Found).Key);
    }

    [Fact]
    public async Task ReadAsync_WorkDirectoryOfNextflow_FindsTheTracesBelowItsTasks()
    {
        foreach (var place in (string[])["bucket/runs", "local"])
        {
            Write($"{place}/ab/cdef01/.floe/trace.json", Traces.Survivor($"{place}-1"));
            Write($"{place}/ab/cdef01/.command.run", "#!/bin/bash");
            Write($"{place}/cd/ef0123/.floe/trace.json", Traces.Survivor($"{place}-2"));
        }

        await _sources.ReadAsync("s3://bucket/runs", default);
        await _sources.ReadAsync(_folder["local"], default);
        Assert.Equal(["bucket/runs-1", "bucket/runs-2", "local-1", "local-2"], _sources.Found.Select(t => t.Key).Order());
    }

    [Theory]
    [InlineData("bucket/runs/ab/cdef/.floe", "bucket/runs/ab/cdef/.floe/tasks/one")]
    [InlineData("bucket/runs/ab/cdef/.floe/tasks/one", "bucket/runs/ab/cdef/.floe")]
    public async Task ReadAsync_SameTaskInStoreAndWorkDirectory_CountsOnceWithWhatTellsMore(string more, string less)
    {
        var whole = Traces.Survivor("one");
        Write($"{more}/trace.json", whole);
        Write($"{less}/trace.json", whole with { Attempts = [whole.Attempts[0]] });
        Write("bucket/runs/gh/1/.floe/trace.json", Traces.Survivor("two"));
        await _sources.ReadAsync("s3://bucket/runs", default);
        await _sources.ReadAsync("s3://bucket/runs", default);
        Assert.Equal([("one", 2), ("two", 2)], _sources.Found.Select(t => (t.Key, t.Attempts.Count)).Order());
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Buckets are folders here.</summary>
    private StoreUrl Folder(StoreUrl url) => StoreUrl.TryParse("file://" + _folder[$"{url.Container}/{url.Path}"], out _)!;

    private void Write(string path, TraceDocument trace) => Write(path, System.Text.Encoding.UTF8.GetString(TraceCodec.Write(trace)));

    private void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[path])!);
        File.WriteAllText(_folder[path], text);
    }
}
