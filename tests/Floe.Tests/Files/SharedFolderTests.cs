using System.Net.Sockets;
using System.Text;
using Floe.Agent.Files;
using Floe.Linux;
using Floe.Linux.Processes;
using Floe.Testing;
using Floe.Tests.Files.Doubles;
using Xunit;

namespace Floe.Tests.Files;

/// <summary>A working directory on a host, in which other programs write too.</summary>
public sealed class SharedFolderTests : IDisposable
{
    private readonly ScratchFolder _scratch = new();
    private readonly string _work;
    private readonly MemorySnapshot _snapshot = new();
    private DateTimeOffset _taken;

    public SharedFolderTests() => _work = _scratch.Folder("work");

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task PutBack_FileThatAnotherWroteSince_StaysAsItIs()
    {
        await CaptureAsync(() => Write("result", "half"));
        Write("result", "whole");
        var result = await PutBackAsync(goneOn: false);
        Assert.Equal("whole", Read("result"));
        Assert.Empty(result.ChangedSince);
    }

    [Fact]
    public async Task PutBack_FileThatNobodyTouched_IsTheSameInode()
    {
        await CaptureAsync(() => Write("result", "all"));
        using var open = File.Open(In("result"), FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        await PutBackAsync(goneOn: false);
        open.Write(" and more"u8);
        open.Flush();
        Assert.Equal("all and more", Read("result"));
    }

    [Fact]
    public async Task PutBack_FileThatTheTaskWroteAndWentOnWith_IsAsInTheSnapshot()
    {
        await CaptureAsync(() => { }, task: () => WriteAsTaskAsync("log", "one"));
        Write("log", "one two");
        var result = await PutBackAsync(goneOn: true);
        Assert.Equal("one", Read("log"));
        Assert.Empty(result.ChangedSince);
    }

    [Fact]
    public async Task PutBack_FileOfUnknownWriterAfterALifeThatWentOn_StaysAndIsNamed()
    {
        await CaptureAsync(() => Write("log", "one"));
        Write("log", "one two");
        var result = await PutBackAsync(goneOn: true);
        Assert.Equal("one two", Read("log"));
        Assert.Equal([In("log")], result.ChangedSince);
    }

    /// <summary>As on a machine where the task was before.</summary>
    [Fact]
    public async Task PutBack_OlderFile_IsReplaced()
    {
        await CaptureAsync(() => Write("state", "new"));
        Write("state", "old state");
        File.SetLastWriteTimeUtc(In("state"), TimeProvider.System.GetUtcNow().UtcDateTime.AddHours(-1));
        await PutBackAsync(goneOn: false, taken: TimeProvider.System.GetUtcNow().AddHours(1));
        Assert.Equal("new", Read("state"));
    }

    [Fact]
    public async Task PutBack_MissingNewAndRemovedFiles_OnlyTheMissingOneIsMade()
    {
        Write("input", "in");
        await CaptureAsync(() =>
        {
            Write("made", "content");
            File.Delete(In("input"));
        });
        File.Delete(In("made"));
        Write("input", "made anew");
        Directory.CreateDirectory(In("folder"));
        Write("folder/new", "of another task");
        var result = await PutBackAsync(goneOn: false);
        Assert.Equal(("content", "made anew", "of another task"), (Read("made"), Read("input"), Read("folder/new")));
        Assert.Equal(0, result.ExtrasRemoved);
    }

    [Fact]
    public async Task PutBack_FolderThatIsNamed_IsTheTasksAlone()
    {
        await CaptureAsync(() => Write("log", "one"), include: true);
        Write("log", "one two");
        await PutBackAsync(goneOn: false, include: true);
        Assert.Equal("one", Read("log"));
    }

    [Fact]
    public async Task Capture_FileHeldOpenForWriting_IsTheTasks()
    {
        FileStream? open = null;
        await CaptureAsync(() =>
        {
            open = File.Open(In("held"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
            open.Write("held"u8);
            open.Flush();
            Write("closed", "closed");
        });
        open!.Dispose();
        Write("held", "written since");
        Write("closed", "written since");
        await PutBackAsync(goneOn: false);
        Assert.Equal(("held", "written since"), (Read("held"), Read("closed")));
    }

    /// <summary>SQLite writes to no database whose inode number is another than that of the file that it has open.</summary>
    [Theory]
    [InlineData("held")]
    [InlineData("HELD")]
    public async Task PutBack_FileHeldOpenIsThereAsItWas_IsTheSameInodeIfItsBytesAre(string now)
    {
        FileStream? open = null;
        var written = TimeProvider.System.GetUtcNow().UtcDateTime.Date;
        await CaptureAsync(() =>
        {
            open = File.Open(In("held"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
            open.Write("held"u8);
            open.Flush();
            File.SetLastWriteTimeUtc(In("held"), written);
        });
        File.WriteAllText(In("held"), now);
        File.SetLastWriteTimeUtc(In("held"), written);
        await PutBackAsync(goneOn: false);
        open!.Write(" on"u8);
        open.Dispose();
        Assert.Equal(now == "held" ? "held on" : "held", Read("held"));
    }

    /// <summary>Another machine need not have the folders that were here before the task.</summary>
    [Fact]
    public async Task PutBack_FolderThatWasThereBeforeIsMissing_OnlyTheTasksFileBringsItBack()
    {
        Directory.CreateDirectory(In("theirs/old"));
        Directory.CreateDirectory(In("both/old"));
        FileStream? open = null;
        await CaptureAsync(() =>
        {
            Directory.CreateDirectory(In("theirs/old/new"));
            File.CreateSymbolicLink(In("theirs/old/link"), "nowhere");
            open = File.Open(In("both/old/held"), FileMode.Create, FileAccess.Write);
            open.Write("held"u8);
            open.Flush();
        });
        open!.Dispose();
        Directory.Delete(In("theirs"), recursive: true);
        Directory.Delete(In("both"), recursive: true);
        await PutBackAsync(goneOn: false);
        Assert.Equal("held", Read("both/old/held"));
        Assert.False(Directory.Exists(In("theirs")));
    }

    /// <summary>Nothing may be where CRIU binds a socket again; another program's is its way to its clients.</summary>
    [Fact]
    public async Task PutBack_SocketsOfTheTaskAndOfOthers_OnlyTheTasksIsRemoved()
    {
        using var own = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        using var closed = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await CaptureAsync(() =>
        {
            own.Bind(new UnixDomainSocketEndPoint(In("own")));

            // As this process is the task, one that it does not have any more stands for another program's.
            closed.Bind(new UnixDomainSocketEndPoint(In("link-of-theirs")));
            Link("link-of-theirs", "theirs");
            closed.Close();
        });
        await PutBackAsync(goneOn: false);
        Assert.False(File.Exists(In("own")));
        Assert.True(File.Exists(In("theirs")));
    }

    /// <summary>CRIU makes such a name for an open file that lost its own.</summary>
    [Fact]
    public async Task PutBack_TwoNamesOfOneFile_StayTwoNamesOfOne()
    {
        FileStream? open = null;
        await CaptureAsync(() =>
        {
            open = File.Open(In("held"), FileMode.Create, FileAccess.Write);
            open.Write("held"u8);
            open.Flush();
            Link("held", "held-too");
            Write("theirs", "theirs");
            Link("theirs", "theirs-too");
        });
        open!.Dispose();
        File.AppendAllText(In("theirs"), " and more");
        await PutBackAsync(goneOn: false);
        File.AppendAllText(In("held"), " on");
        Assert.Equal(("held on", "held on"), (Read("held"), Read("held-too")));
        Assert.Equal(("theirs and more", "theirs and more"), (Read("theirs"), Read("theirs-too")));
    }

    private FileScope Scope(bool include) => FileScope.Create(new FileScopeOptions { Mode = FileScopeMode.Work, WorkingDirectory = _work, Include = include ? [_work] : [], Exclude = ["/tmp", "/dev/shm"] });

    /// <param name="task">What the task does, and the kernel tells of.</param>
    private async Task CaptureAsync(Action change, Func<Task>? task = null, bool include = false)
    {
        await Task.Delay(12);
        var baseline = await FileBaseline.TakeAsync(Scope(include), Path.Combine(_scratch.Path, "baseline"), CancellationToken.None);
        using var written = task is not null ? WrittenFiles.TryWatch(Scope(include)) : null;
        Assert.SkipWhen(task is not null && written is null, "this file system does not tell who writes");
        change();
        await (task?.Invoke() ?? Task.CompletedTask);
        await FileCapture.RunAsync(Scope(include), baseline, _snapshot, new FileCaptureOptions { Processes = [Environment.ProcessId], Written = written }, CancellationToken.None);
        _taken = TimeProvider.System.GetUtcNow();
        await Task.Delay(12);
    }

    private async Task<PutBackResult> PutBackAsync(bool goneOn, DateTimeOffset? taken = null, bool include = false)
    {
        var baseline = await FileBaseline.TakeAsync(Scope(include), Path.Combine(_scratch.Path, "baseline-2"), CancellationToken.None);
        var options = new PutBackOptions { Baseline = baseline, Taken = taken ?? _taken, MayHaveGoneOn = goneOn };
        return await FilePutBack.RunAsync(Scope(include), _snapshot, options, CancellationToken.None);
    }

    private void Link(string name, string second) => Assert.Equal(0, NativeName.Link(
        Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(In(name))), Interop.AT_FDCWD, NativeName.Terminated(Encoding.UTF8.GetBytes(In(second)))));

    private string In(string name) => Path.Combine(_work, name);

    private void Write(string name, string text) => File.WriteAllText(In(name), text);

    /// <summary>This process is the agent, whose own writes are nobody's.</summary>
    private async Task WriteAsTaskAsync(string name, string text)
    {
        List<byte[]> words = [.. ((string[])["sh", "-c", "printf %s \"$1\" >\"$2\"", "sh", text, In(name)]).Select(Encoding.UTF8.GetBytes)];
        Assert.True((await ChildProcess.Start(new ChildProcessOptions { Path = "/bin/sh"u8.ToArray(), Arguments = words }).Exited).Success);
    }

    private string Read(string name) => File.ReadAllText(In(name));
}
