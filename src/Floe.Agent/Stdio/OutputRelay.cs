using System.Runtime.InteropServices;
using Floe.Linux;
using Floe.Linux.Processes;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Stdio;

/// <summary>
/// Carries what the task writes to one of its standard streams into the agent's own: at once, in order, unchanged.
///
/// The task holds the write end of a pipe that the agent owns, and one thread moves bytes from it. Nothing lies anywhere but in
/// the pipe: bytes are spliced, or peeked at and taken only as far as they were written. So a snapshot can stop the relay at
/// any byte and take what is left as the backlog, which the next machine writes first: no line is lost or doubled, even when
/// nobody reads the agent's output.
/// </summary>
internal sealed class OutputRelay : IDisposable
{
    private const int MoveBytes = 1024 * 1024;

    // A device whose poll promises more than its write keeps.
    private const int RetryMillis = 20;

    // A write that the kernel does not come back from, into what cannot be told not to block.
    private static readonly TimeSpan s_stopPatience = TimeSpan.FromSeconds(10);

    private readonly SafeFileHandle _read;
    private readonly OutputTarget _output;
    private readonly IOutputCopy? _copy;
    private readonly SafeFileHandle _wake;
    private readonly Thread _thread;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _pending;
    private int _pendingStart;
    private bool _pauseWanted;
    private TaskCompletionSource? _paused;
    private TaskCompletionSource _resume = new();
    private bool _canSplice;
    private volatile bool _disposed;

    /// <param name="output">The agent's descriptor to write to; borrowed.</param>
    /// <param name="backlog">Written before anything from the pipe.</param>
    /// <param name="user">Whose the pipe is; null: the agent's.</param>
    /// <param name="copy">Gets all that comes from the pipe; the backlog it got on the machine that read it.</param>
    /// <param name="held">Nothing is written, the backlog neither, before <see cref="Resume"/>.</param>
    public unsafe OutputRelay(int output, byte[] backlog, UserIds? user = null, IOutputCopy? copy = null, bool held = false)
    {
        _output = new OutputTarget(output);
        _copy = copy;
        _canSplice = copy is null && _output.CanBeSpliced;
        _pending = backlog;
        _pauseWanted = held;
        _paused = held ? new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously) : null;
        var ends = stackalloc int[2];
        if (Interop.pipe2(ends, Interop.O_CLOEXEC) != 0)
        {
            throw LinuxException.Last("pipe2");
        }

        _read = new SafeFileHandle(ends[0], true);
        WriteEnd = new SafeFileHandle(ends[1], true);
        if (user is { } ids && Interop.fchown(ends[1], ids.Uid, ids.Gid) != 0)
        {
            throw LinuxException.Last("giving the pipe to the task's user");
        }

        PipeName = ProcFiles.TryReadLink($"/proc/self/fd/{ends[0]}") ?? throw LinuxException.Last("reading the pipe's name");
        // A larger pipe is a faster one; the limit for unprivileged users may refuse it.
        _ = Interop.fcntl(ends[0], Interop.F_SETPIPE_SZ, MoveBytes);
        _wake = new SafeFileHandle(Interop.eventfd(0, Interop.EFD_CLOEXEC | Interop.EFD_NONBLOCK), true);
        _thread = new Thread(Run, 128 * 1024) { IsBackground = true, Name = output == 1 ? "stdout" : output == 2 ? "stderr" : $"output {output}" };
        _thread.Start();
    }

    /// <summary>"pipe:[INODE]", as CRIU names it.</summary>
    public string PipeName { get; }

    /// <summary>For the task; the agent closes it once the task has its copies, so that the pipe can end.</summary>
    public SafeFileHandle WriteEnd { get; }

    /// <summary>Completes when every writer is gone and everything was passed on, or when nobody takes the output any more.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Why the agent's output took no more while somebody could still have wanted it (no space, quota); what the task wrote since is lost. Null: it did.</summary>
    public LinuxException? Refusal { get; private set; }

    /// <summary>
    /// With all writers frozen: passes on what the pipe holds for as long as the reader takes it, at most <paramref name="patience"/>,
    /// then stops and returns what is left, which stays with this relay too (see <see cref="Resume"/>).
    /// </summary>
    /// <exception cref="IOException">
    /// A write into the agent's output does not end, so nobody knows what it will have taken. Or what is left is more than <paramref name="maxBytes"/>: the
    /// pipe is as it was then.
    /// </exception>
    public async Task<byte[]> PauseAsync(TimeSpan patience, int maxBytes, TimeProvider time, CancellationToken cancellationToken)
    {
        var deadline = time.GetTimestamp() + (long)(patience.TotalSeconds * time.TimestampFrequency);
        while (Waiting() > 0 && !_ended.Task.IsCompleted && time.GetTimestamp() < deadline)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(2), time, cancellationToken).ConfigureAwait(false);
        }

        Task paused;
        lock (_gate)
        {
            _pauseWanted = true;
            _paused ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            paused = _paused.Task;
        }

        Wake();
        try
        {
            await Task.WhenAny(paused, _ended.Task).WaitAsync(s_stopPatience, time, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            throw new IOException($"a write into what 'floe run' has as {_thread.Name} does not end: let its reader go on, or send the output to a pipe or a file");
        }

        if (_ended.Task.IsCompleted)
        {
            return [];
        }

        return TakeRest(maxBytes);
    }

    /// <summary>With the relay standing still: takes the rest out of the pipe, behind what it had in hand.</summary>
    private unsafe byte[] TakeRest(int maxBytes)
    {
        var waiting = Waiting();
        if (waiting > maxBytes)
        {
            throw new IOException($"{waiting >> 20} MiB of the task's output wait for whoever reads {_thread.Name} of 'floe run', and more than {maxBytes >> 20} MiB are not kept: let them be read");
        }

        var rest = new byte[waiting];
        _pending.AsSpan(_pendingStart).CopyTo(rest);
        var filled = _pending.Length - _pendingStart;
        while (filled < rest.Length)
        {
            fixed (byte* target = &rest[filled])
            {
                var got = Interop.read(Fd(_read), target, (nuint)(rest.Length - filled));
                if (got <= 0)
                {
                    throw LinuxException.Last("reading the task's output");
                }

                filled += (int)got;
            }
        }

        _copy?.Append(rest.AsSpan(_pending.Length - _pendingStart));
        _pending = rest;
        _pendingStart = 0;
        return rest;
    }

    /// <summary>Goes on after <see cref="PauseAsync"/>, the backlog first, as the task was not taken away; or begins, where the relay was held.</summary>
    public void Resume()
    {
        lock (_gate)
        {
            _pauseWanted = false;
            _paused = null;
            _resume.TrySetResult();
            _resume = new TaskCompletionSource();
        }
    }

    public void Dispose()
    {
        _disposed = true;
        Wake();
        Resume();
        _thread.Join();
        WriteEnd.Dispose();
        _read.Dispose();
        _wake.Dispose();
    }

    private int Waiting() => PipeBytes() + (Volatile.Read(ref _pending).Length - Volatile.Read(ref _pendingStart));

    private unsafe int PipeBytes()
    {
        lock (_gate)
        {
            int bytes;
            return !_read.IsClosed && Interop.ioctl(Fd(_read), Interop.FIONREAD, &bytes) == 0 ? bytes : 0;
        }
    }

    private void Run()
    {
        try
        {
            while (!_disposed && Step())
            {
            }
        }
        finally
        {
            // A reader waits for the end of every copy of it.
            _output.Dispose();
            _ended.TrySetResult();
        }
    }

    /// <returns>False when the stream has ended.</returns>
    private unsafe bool Step()
    {
        if (PauseIfWanted())
        {
            return true;
        }

        var hasPending = _pendingStart < _pending.Length;
        var polls = stackalloc Interop.PollFd[2];
        if (!hasPending)
        {
            if (!Wait(polls, Fd(_read), Interop.POLLIN))
            {
                return true;
            }

            if (PipeBytes() == 0)
            {
                return (polls[1].Returned & Interop.POLLHUP) == 0;
            }
        }

        // Bytes are there; wait until the reader takes some, or until a pause is wanted.
        if (!Wait(polls, _output.Descriptor, Interop.POLLOUT))
        {
            return true;
        }

        if ((polls[1].Returned & (Interop.POLLERR | Interop.POLLHUP)) != 0 && (polls[1].Returned & Interop.POLLOUT) == 0)
        {
            return ReaderIsGone(Errno.EPIPE);
        }

        return hasPending ? WritePending() : Move();
    }

    private unsafe bool Move()
    {
        if (_canSplice)
        {
            var moved = Interop.splice(Fd(_read), null, _output.Descriptor, null, MoveBytes, Interop.SPLICE_F_NONBLOCK | Interop.SPLICE_F_MOVE);
            if (moved > 0)
            {
                return true;
            }

            switch (moved < 0 ? Marshal.GetLastPInvokeError() : 0)
            {
                case Errno.EAGAIN or Errno.EINTR:
                    return true;
                case Errno.EINVAL:
                    // A file that was opened for appending.
                    _canSplice = false;
                    break;
                case 0:
                    return true;
                default:
                    return ReaderIsGone(Marshal.GetLastPInvokeError());
            }
        }

        var bytes = new byte[Math.Min(PipeBytes(), 64 * 1024)];
        fixed (byte* target = bytes)
        {
            var got = Interop.read(Fd(_read), target, (nuint)bytes.Length);
            if (got <= 0)
            {
                return got < 0;
            }

            _copy?.Append(bytes.AsSpan(0, (int)got));
            Volatile.Write(ref _pendingStart, 0);
            Volatile.Write(ref _pending, bytes[..(int)got]);
        }

        return true;
    }

    private unsafe bool WritePending()
    {
        fixed (byte* source = &_pending[_pendingStart])
        {
            var written = _output.Write(source, _pending.Length - _pendingStart);
            if (written >= 0)
            {
                Volatile.Write(ref _pendingStart, _pendingStart + (int)written);
                return true;
            }
        }

        switch (Marshal.GetLastPInvokeError())
        {
            case Errno.EINTR:
                return true;
            case Errno.EAGAIN:
                var wake = new Interop.PollFd { Descriptor = Fd(_wake), Events = Interop.POLLIN };
                _ = Interop.poll(&wake, 1, RetryMillis);
                return true;
            default:
                return ReaderIsGone(Marshal.GetLastPInvokeError());
        }
    }

    /// <summary>The agent's output is closed, or takes no more: closing our end lets the task see that as it would without us (SIGPIPE, EPIPE).</summary>
    private bool ReaderIsGone(int errno)
    {
        // A terminal that was hung up gives EIO, and so does a file whose disk or server fails.
        if (errno is not (Errno.EPIPE or Errno.ECONNRESET) && !(errno == Errno.EIO && _output.IsCharacterDevice))
        {
            Refusal = new LinuxException(_thread.Name!, errno);
        }

        lock (_gate)
        {
            _read.Close();
        }

        return false;
    }

    private bool PauseIfWanted()
    {
        Task resume;
        lock (_gate)
        {
            if (!_pauseWanted)
            {
                return false;
            }

            if (_disposed)
            {
                // What waits is not to be written any more.
                return true;
            }

            resume = _resume.Task;
            _paused!.TrySetResult();
        }

        ((IAsyncResult)resume).AsyncWaitHandle.WaitOne();
        return true;
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = Interop.write(Fd(_wake), &one, 8);
    }

    /// <summary>Waits for one descriptor, whose state is in polls[1] then; false when the relay was woken instead.</summary>
    private unsafe bool Wait(Interop.PollFd* polls, int descriptor, short events)
    {
        polls[0] = new Interop.PollFd { Descriptor = Fd(_wake), Events = Interop.POLLIN };
        polls[1] = new Interop.PollFd { Descriptor = descriptor, Events = events };
        while (Interop.poll(polls, 2, -1) < 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            if (errno != Errno.EINTR)
            {
                throw new LinuxException("poll", errno);
            }
        }

        if (polls[0].Returned == 0)
        {
            return true;
        }

        ulong ignored;
        _ = Interop.read(Fd(_wake), &ignored, 8);
        return false;
    }

    private static int Fd(SafeHandle handle) => (int)handle.DangerousGetHandle();
}
