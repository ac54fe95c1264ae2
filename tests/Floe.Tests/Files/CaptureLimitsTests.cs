using Floe.Agent.Files;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Store;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>What cannot be read is never left out in silence, and descriptors are not used up. Takes 1 s.</summary>
public sealed class CaptureLimitsTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _work;

    public CaptureLimitsTests() => _work = _scratch.Folder("work");

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(Errno.EMFILE)]
    [InlineData(Errno.EIO)]
    [InlineData(Errno.EACCES)]
    public async Task Capture_FileThatOthersMayHaveWrittenCannotBeRead_Fails(int errno)
    {
        var baseline = await BaselineAsync();
        await File.WriteAllTextAsync(In("file"), "x", TestContext.Current.CancellationToken);
        var content = new FailingContent(new MemorySnapshot(), () => KernelPath.Failure("read the changed file", KernelPath.FromText(In("file")), errno));
        await Assert.ThrowsAsync<FileStateException>(() => FileCapture.RunAsync(Scope(), baseline, content, CancellationToken.None));
    }

    [Fact]
    public async Task Capture_FileOfOthersIsGoneSinceItWasFound_IsLeftOut()
    {
        var baseline = await BaselineAsync();
        await File.WriteAllTextAsync(In("file"), "x", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(In("zz"), "", TestContext.Current.CancellationToken);
        var snapshot = new MemorySnapshot();
        var content = new FailingContent(snapshot, () => KernelPath.Failure("read the changed file", KernelPath.FromText(In("file")), Errno.ENOENT));
        await FileCapture.RunAsync(Scope(), baseline, content, CancellationToken.None);
        using var list = await FileList.LoadAsync(snapshot, CancellationToken.None);
        Assert.Equal([_work, In("zz")], list.Records().Select(record => KernelPath.Display(record.Path)));
    }

    [Theory]
    [InlineData(40)]
    [InlineData(1)]
    public async Task Capture_ManySmallFiles_OpensNoMoreThanItMay(int maxOpenFiles)
    {
        var baseline = await BaselineAsync();
        for (var i = 0; i < 300; i++)
        {
            await File.WriteAllTextAsync(In($"{i}"), "x", TestContext.Current.CancellationToken);
        }

        var snapshot = new MemorySnapshot();
        var most = 0;
        var content = new WatchedContent(snapshot, () => most = Math.Max(most, OpenIn(_work)));
        await FileCapture.RunAsync(Scope(), baseline, content, new FileCaptureOptions { ReaderCount = 2, MaxOpenFiles = maxOpenFiles }, CancellationToken.None);
        Assert.InRange(most, 1, Math.Max(5, maxOpenFiles));
        using var list = await FileList.LoadAsync(snapshot, CancellationToken.None);
        Assert.Equal(301, list.RecordCount);
    }

    /// <summary>In memory a file may have nearly any length.</summary>
    [Fact]
    public async Task Capture_FileLongerThanASnapshotHolds_FailsAndNamesIt()
    {
        var folder = Directory.CreateDirectory($"/dev/shm/floe-test-{Environment.ProcessId}-{Guid.NewGuid():n}").FullName;
        try
        {
            var scope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [folder] });
            var baseline = await FileBaseline.TakeAsync(scope, _scratch["baseline"], CancellationToken.None);
            using (var file = File.OpenHandle($"{folder}/long", FileMode.CreateNew, FileAccess.Write))
            {
                RandomAccess.SetLength(file, 1L << 60);
            }

            var e = await Assert.ThrowsAsync<FileStateException>(() => FileCapture.RunAsync(scope, baseline, new MemorySnapshot(), CancellationToken.None));
            Assert.Contains($"{folder}/long is 1024 PiB long", e.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>In a folder where anybody can make one, it is not the task's.</summary>
    [Fact]
    public async Task Capture_FileOfOthersLongerThanASnapshotHolds_IsLeftOut()
    {
        using var shared = new MemoryFolder();
        var scope = PublicScope(shared.Path);
        var baseline = await FileBaseline.TakeAsync(scope, _scratch["baseline"], CancellationToken.None);
        using (var file = File.OpenHandle($"{shared.Path}/long", FileMode.CreateNew, FileAccess.Write))
        {
            RandomAccess.SetLength(file, 1L << 60);
        }

        await File.WriteAllTextAsync($"{shared.Path}/short", "x", TestContext.Current.CancellationToken);
        Assert.Equal([$"{shared.Path}/short"], await CapturedFilesAsync(scope, baseline));
    }

    /// <param name="count">More than a record takes; more than the kernel lists.</param>
    [Theory]
    [InlineData(4097)]
    [InlineData(7000)]
    public async Task Capture_FileWithMoreAttributesThanASnapshotHolds_IsLeftOutIfOthersAndFailsElse(int count)
    {
        using var shared = new MemoryFolder();
        var publicScope = PublicScope(shared.Path);
        var ownScope = FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Included, Include = [shared.Path] });
        var publicBaseline = await FileBaseline.TakeAsync(publicScope, _scratch["public"], CancellationToken.None);
        var ownBaseline = await FileBaseline.TakeAsync(ownScope, _scratch["own"], CancellationToken.None);
        await File.WriteAllTextAsync($"{shared.Path}/few", "", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync($"{shared.Path}/many", "", TestContext.Current.CancellationToken);
        for (var i = 0; i < count; i++)
        {
            Assert.SkipUnless(TrySetAttribute($"{shared.Path}/many", $"user.{i:d5}"), "this kernel has no such attributes in memory");
        }

        Assert.Equal([$"{shared.Path}/few"], await CapturedFilesAsync(publicScope, publicBaseline));
        var e = await Assert.ThrowsAsync<FileStateException>(() => FileCapture.RunAsync(ownScope, ownBaseline, new MemorySnapshot(), CancellationToken.None));
        Assert.Contains($"{shared.Path}/many has more than 4096 extended attributes", e.Message, StringComparison.Ordinal);
    }

    private static async Task<IEnumerable<string>> CapturedFilesAsync(FileScope scope, FileBaseline baseline)
    {
        var snapshot = new MemorySnapshot();
        await FileCapture.RunAsync(scope, baseline, snapshot, CancellationToken.None);
        using var list = await FileList.LoadAsync(snapshot, CancellationToken.None);
        return [.. list.Records().Where(record => record.Kind == FileRecordKind.Regular).Select(record => KernelPath.Display(record.Path))];
    }

    private FileScope PublicScope(string folder) =>
        FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, PublicPaths = [folder] });

    private static unsafe bool TrySetAttribute(string path, string name)
    {
        // SAFETY: both are zero-terminated and pinned for the call; there is no value.
        fixed (byte* pathPointer = System.Text.Encoding.UTF8.GetBytes(path + '\0'))
        fixed (byte* namePointer = System.Text.Encoding.UTF8.GetBytes(name + '\0'))
        {
            return Interop.lsetxattr(pathPointer, namePointer, null, 0, 0) == 0;
        }
    }

    private sealed class MemoryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateDirectory($"/dev/shm/floe-test-{Environment.ProcessId}-{Guid.NewGuid():n}").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }

    [Fact]
    public async Task Start_WithAnotherLimit_ChildHasItAndThisProcessDoesNot()
    {
        var own = DescriptorLimit.Current;
        ChildProcess child;
        using (var output = File.OpenHandle(_scratch["limit"], FileMode.Create, FileAccess.Write))
        using (new DescriptorLimit.Lowered(700))
        {
            child = ChildProcess.Start(new ChildProcessOptions
            {
                Path = "/bin/sh"u8.ToArray(), Arguments = ["sh"u8.ToArray(), "-c"u8.ToArray(), "ulimit -Sn"u8.ToArray()], Descriptors = [(output, 1)],
            });
        }

        Assert.True((await child.Exited).Success);
        Assert.Equal("700\n", await File.ReadAllTextAsync(_scratch["limit"], TestContext.Current.CancellationToken));
        Assert.Equal(own, DescriptorLimit.Current);
    }

    private async Task<FileBaseline> BaselineAsync()
    {
        await Task.Delay(12, TestContext.Current.CancellationToken);
        return await FileBaseline.TakeAsync(Scope(), _scratch["baseline"], CancellationToken.None);
    }

    private FileScope Scope() => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, Exclude = ["/tmp", "/dev/shm"] });

    private static int OpenIn(string folder) =>
        Directory.GetFiles("/proc/self/fd").Count(link => ProcFiles.TryReadLink(link)?.StartsWith(folder + "/", StringComparison.Ordinal) == true);

    private string In(string name) => Path.Combine(_work, name);

    /// <summary>Where a file's content would begin, something is wrong.</summary>
    private sealed class FailingContent(MemorySnapshot snapshot, Func<Exception> failure) : ISnapshotContent
    {
        public StreamId AddStream(string name) => name == FileStreams.ListName ? snapshot.AddStream(name) : throw failure();

        public IBlockSink CreateSink() => snapshot.CreateSink();

        public void AddSmallImage(string name, byte[] content) => snapshot.AddSmallImage(name, content);
    }

    /// <summary>Looks around before a segment is read, while its files are open and others wait.</summary>
    private sealed class WatchedContent(MemorySnapshot snapshot, Action look) : ISnapshotContent
    {
        public StreamId AddStream(string name) => snapshot.AddStream(name);

        public IBlockSink CreateSink() => new Sink(snapshot.CreateSink(), look);

        public void AddSmallImage(string name, byte[] content) => snapshot.AddSmallImage(name, content);

        private sealed class Sink(IBlockSink sink, Action look) : IBlockSink
        {
            public void BeginSegment(StreamId stream, int ordinal)
            {
                lock (look)
                {
                    look();
                }

                sink.BeginSegment(stream, ordinal);
            }

            public Span<byte> Reserve(int byteCount) => sink.Reserve(byteCount);

            public void Append(ReadOnlySpan<byte> block) => sink.Append(block);

            public void AppendZeros(long byteCount) => sink.AppendZeros(byteCount);

            public void EndSegment() => sink.EndSegment();

            public void Dispose() => sink.Dispose();
        }
    }
}
