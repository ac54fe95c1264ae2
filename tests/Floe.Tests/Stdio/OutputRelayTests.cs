using System.Text;
using Floe.Agent.Stdio;
using Floe.Linux;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Xunit;

namespace Floe.Tests.Stdio;

public sealed class OutputRelayTests : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    [Fact]
    public async Task Relay_TaskWritesAndEnds_EverythingArrivesInOrder()
    {
        var (read, write) = Pipe();
        using var relay = new OutputRelay(Fd(write), "backlog "u8.ToArray());
        var expected = new StringBuilder("backlog ");
        var collected = CollectAsync(read);
        using (var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0))
        {
            for (var i = 0; i < 20_000; i++)
            {
                var line = $"line {i} of the task's output\n";
                expected.Append(line);
                task.Write(Encoding.UTF8.GetBytes(line));
            }
        }

        await relay.Ended;
        write.Dispose();
        Assert.Equal(expected.ToString(), await collected);
    }

    [Fact]
    public async Task Pause_NobodyReads_ReturnsWhatWasNotPassedOn()
    {
        var (read, write) = Pipe();
        using var relay = new OutputRelay(Fd(write), []);
        // More than the outer pipe takes, so that a rest stays in the relay's own.
        var sent = new byte[600_000];
        new Random(1).NextBytes(sent);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);
        task.Write(sent);

        var rest = await relay.PauseAsync(TimeSpan.FromMilliseconds(50), TimeProvider.System, default);

        Assert.InRange(rest.Length, 1, sent.Length - 1);
        var passedOn = new byte[sent.Length - rest.Length];
        using var reader = new FileStream(read, FileAccess.Read, 0);
        await reader.ReadExactlyAsync(passedOn);
        Assert.Equal(sent, passedOn.Concat(rest).ToArray());
    }

    [Fact]
    public async Task Resume_AfterPause_LosesAndDoublesNothing()
    {
        var (read, write) = Pipe();
        using var relay = new OutputRelay(Fd(write), []);
        var sent = new byte[3_000_000];
        new Random(2).NextBytes(sent);
        var collected = Task.Run(async () =>
        {
            using var reader = new FileStream(read, FileAccess.Read, 0);
            using var all = new MemoryStream();
            var buffer = new byte[7000];
            int got;
            while ((got = await reader.ReadAsync(buffer)) > 0)
            {
                all.Write(buffer, 0, got);
                await Task.Delay(1);
            }

            return all.ToArray();
        });
        using (var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0))
        {
            for (var at = 0; at < sent.Length; at += 300_000)
            {
                task.Write(sent, at, 300_000);
                await relay.PauseAsync(TimeSpan.FromMilliseconds(3), TimeProvider.System, default);
                relay.Resume();
            }
        }

        await relay.Ended;
        write.Dispose();
        Assert.Equal(sent, await collected);
    }

    [Fact]
    public async Task Relay_AppendingToAFile_KeepsItsContent()
    {
        var path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, "before\n");
            using (var file = new FileStream(path, FileMode.Append, FileAccess.Write))
            {
                // Append mode of .NET is not O_APPEND; the shell's >> is.
                _ = Interop.fcntl(Fd(file.SafeFileHandle), Interop.F_SETFL, 0x400);
                using var relay = new OutputRelay(Fd(file.SafeFileHandle), []);
                using (var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0))
                {
                    task.Write("after\n"u8);
                }

                await relay.Ended;
            }

            Assert.Equal("before\nafter\n", File.ReadAllText(path));
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public async Task Relay_ReaderGone_EndsAndTheTaskSeesIt()
    {
        var (read, write) = Pipe();
        read.Dispose();
        using var relay = new OutputRelay(Fd(write), []);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);

        // Again and again: a program that another test is just starting has a copy of every descriptor until it is executed.
        for (var i = 0; i < 500; i++)
        {
            try
            {
                task.Write("lost\n"u8);
            }
            catch (IOException)
            {
                await relay.Ended;
                return;
            }

            await Task.Delay(10);
        }

        Assert.Fail("the task never saw that its reader is gone");
    }

    public void Dispose()
    {
        foreach (var handle in _owned)
        {
            handle.Dispose();
        }
    }

    private unsafe (SafeFileHandle Read, SafeFileHandle Write) Pipe()
    {
        var ends = stackalloc int[2];
        Assert.Equal(0, Interop.pipe2(ends, Interop.O_CLOEXEC));
        var pair = (new SafeFileHandle(ends[0], true), new SafeFileHandle(ends[1], true));
        _owned.AddRange([pair.Item1, pair.Item2]);
        return pair;
    }

    private static async Task<string> CollectAsync(SafeFileHandle read)
    {
        using var reader = new StreamReader(new FileStream(read, FileAccess.Read, 0));
        return await reader.ReadToEndAsync();
    }

    private static int Fd(SafeHandle handle) => (int)handle.DangerousGetHandle();
}
