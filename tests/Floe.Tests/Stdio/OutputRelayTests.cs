using System.Text;
using Floe.Agent.Stdio;
using Floe.Linux;
using System.Net.Sockets;
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

        var rest = await relay.PauseAsync(TimeSpan.FromMilliseconds(50), int.MaxValue, TimeProvider.System, default);

        Assert.InRange(rest.Length, 1, sent.Length - 1);
        var passedOn = new byte[sent.Length - rest.Length];
        using var reader = new FileStream(read, FileAccess.Read, 0);
        await reader.ReadExactlyAsync(passedOn);
        Assert.Equal(sent, passedOn.Concat(rest).ToArray());
    }

    /// <summary>^S, or a hung ssh: the relay must not wait inside the kernel with the pipe held, or the task could not even be frozen.</summary>
    [Fact]
    public async Task Pause_TerminalTakesNothing_ReturnsWhatWasNotPassedOn()
    {
        var (screen, terminal) = Terminal();
        var relay = new OutputRelay(Fd(terminal), []);
        var sent = new byte[600_000];
        new Random(3).GetItems("abcdefghijklmnopqrstuvwxyz"u8, sent);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);
        task.Write(sent);

        var rest = await relay.PauseAsync(TimeSpan.FromMilliseconds(50), int.MaxValue, TimeProvider.System, default).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

        Assert.InRange(rest.Length, 1, sent.Length - 1);
        var passedOn = new byte[sent.Length - rest.Length];
        await screen.ReadExactlyAsync(passedOn, TestContext.Current.CancellationToken);
        Assert.Equal(sent, passedOn.Concat(rest).ToArray());
        relay.Dispose();
    }

    /// <summary>A service manager's journal, an ssh without a terminal.</summary>
    [Fact]
    public async Task Pause_SocketTakesNothing_ReturnsWhatWasNotPassedOn()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, 0));
        listener.Listen();
        using var outer = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { SendBufferSize = 16384 };
        await outer.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
        using var reader = await listener.AcceptAsync(TestContext.Current.CancellationToken);
        var relay = new OutputRelay((int)outer.Handle, []);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);

        // Until nothing moves any more: the buffers of sockets grow.
        var sent = new byte[64 << 20];
        new Random(4).NextBytes(sent);
        var writing = Task.Run(() => task.Write(sent));
        var rest = Array.Empty<byte>();
        while (rest.Length == 0)
        {
            relay.Resume();
            rest = await relay.PauseAsync(TimeSpan.FromMilliseconds(50), int.MaxValue, TimeProvider.System, default).WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        }

        relay.Resume();
        var got = new byte[sent.Length];
        await using var stream = new NetworkStream(reader);
        await stream.ReadExactlyAsync(got, TestContext.Current.CancellationToken);
        await writing;
        Assert.Equal(sent, got);
        relay.Dispose();
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
                await relay.PauseAsync(TimeSpan.FromMilliseconds(3), int.MaxValue, TimeProvider.System, default);
                relay.Resume();
            }
        }

        await relay.Ended;
        write.Dispose();
        Assert.Equal(sent, await collected);
    }

    /// <summary>What a restore that fails has not written, the one that succeeds writes.</summary>
    [Fact]
    public async Task Relay_Held_WritesNothingBeforeItIsLetGo()
    {
        var (read, write) = Pipe();
        using (var failed = new OutputRelay(Fd(write), "backlog "u8.ToArray(), held: true))
        {
            using var task = new FileStream(failed.WriteEnd, FileAccess.Write, 0);
            task.Write("of a restore that failed"u8);
            await Task.Delay(30, TestContext.Current.CancellationToken);
        }

        using var relay = new OutputRelay(Fd(write), "backlog "u8.ToArray(), held: true);
        using (var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0))
        {
            task.Write("and more"u8);
        }

        await Task.Delay(30, TestContext.Current.CancellationToken);
        relay.Resume();
        await relay.Ended;
        write.Dispose();
        Assert.Equal("backlog and more", await CollectAsync(read));
    }

    [Fact]
    public async Task Relay_OutputIsFull_SaysWhy()
    {
        using var full = File.OpenHandle("/dev/full", FileMode.Open, FileAccess.Write);
        using var relay = new OutputRelay(Fd(full), []);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);
        task.Write("lost"u8);
        await relay.Ended.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Equal(Errno.ENOSPC, relay.Refusal?.Errno);
        Assert.Empty(await relay.PauseAsync(TimeSpan.Zero, int.MaxValue, TimeProvider.System, TestContext.Current.CancellationToken));
    }

    /// <summary>A disk or a file server that fails: whoever reads the file later wants those lines.</summary>
    [Fact]
    public async Task Relay_FileGivesAnInputOutputError_SaysWhy()
    {
        // Nothing is mapped at address 0 of this process.
        using var failing = File.OpenHandle("/proc/self/mem", FileMode.Open, FileAccess.Write);
        using var relay = new OutputRelay(Fd(failing), []);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);
        task.Write("lost"u8);
        await relay.Ended.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Equal(Errno.EIO, relay.Refusal?.Errno);
    }

    /// <summary>A window that was closed: nobody is there to want anything.</summary>
    [Fact]
    public async Task Relay_TerminalWasHungUp_IsAReaderThatIsGone()
    {
        var (screen, terminal) = Terminal();
        using var relay = new OutputRelay(Fd(terminal), []);
        using var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0);
        screen.Dispose();
        task.Write("lost"u8);
        await relay.Ended.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.Null(relay.Refusal);
    }

    /// <summary>What a snapshot cannot carry must not be taken out of the pipe for it.</summary>
    [Fact]
    public async Task Pause_MoreWaitsThanIsKept_FailsAndLosesNothing()
    {
        var (read, write) = Pipe();
        using var relay = new OutputRelay(Fd(write), []);
        var sent = new byte[600_000];
        new Random(5).NextBytes(sent);
        using (var task = new FileStream(relay.WriteEnd, FileAccess.Write, 0))
        {
            task.Write(sent);
            var failure = await Assert.ThrowsAsync<IOException>(() => relay.PauseAsync(TimeSpan.FromMilliseconds(50), 100_000, TimeProvider.System, TestContext.Current.CancellationToken));
            Assert.Contains("let them be read", failure.Message, StringComparison.Ordinal);
            relay.Resume();
        }

        var got = new byte[sent.Length];
        using var reader = new FileStream(read, FileAccess.Read, 0);
        await reader.ReadExactlyAsync(got, TestContext.Current.CancellationToken);
        Assert.Equal(sent, got);
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

    /// <summary>The two sides of a pseudo-terminal (pts(4)).</summary>
    private unsafe (FileStream Screen, SafeFileHandle Terminal) Terminal()
    {
        const ulong TIOCSPTLCK = 0x40045431;
        const ulong TIOCGPTN = 0x80045430;
        var screen = Interop.openat(Interop.AT_FDCWD, "/dev/ptmx", Interop.O_RDWR | Interop.O_NOCTTY | Interop.O_CLOEXEC, 0);
        int locked = 0, number;
        Assert.Equal(0, Interop.ioctl(Fd(screen), TIOCSPTLCK, &locked));
        Assert.Equal(0, Interop.ioctl(Fd(screen), TIOCGPTN, &number));
        var terminal = Interop.openat(Interop.AT_FDCWD, $"/dev/pts/{number}", Interop.O_RDWR | Interop.O_NOCTTY | Interop.O_CLOEXEC, 0);
        Assert.False(terminal.IsInvalid);
        var stream = new FileStream(screen, FileAccess.Read, 0);
        _owned.AddRange([terminal, stream]);
        return (stream, terminal);
    }

    private static async Task<string> CollectAsync(SafeFileHandle read)
    {
        using var reader = new StreamReader(new FileStream(read, FileAccess.Read, 0));
        return await reader.ReadToEndAsync();
    }

    private static int Fd(SafeHandle handle) => (int)handle.DangerousGetHandle();
}
