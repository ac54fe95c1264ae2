using System.Buffers;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// The writing end of a pipe that CRIU reads an image from.
///
/// Memory is lent, not copied: the pipe takes references to its pages and CRIU copies straight from them. Copying into the pipe
/// would cost as much as CRIU's reading, and as a pipe has one lock the two could never run at the same time. What is lent queues
/// up here and goes into the pipe in pieces of its whole capacity, each when CRIU has taken the one before.
/// One caller at a time; <see cref="OnRead"/> comes from the poller's thread.
/// </summary>
public sealed class ImagePipe : IDisposable
{
    // More needs CAP_SYS_RESOURCE.
    private const int PreferredBytes = 1 << 20;
    private const int MaxVectors = 64;

    // Enough waits here to fill the pipe twice.
    private const long HighWater = 2 * PreferredBytes;
    private static readonly TimeSpan s_drainPoll = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_lookAgain = TimeSpan.FromSeconds(1);

    // Never written, and never moved: it may be in any number of pipes.
    private static readonly byte[] s_zeros = GC.AllocateArray<byte>(PreferredBytes, pinned: true);
    private static volatile bool s_cannotLend;

    private readonly SafeFileHandle _end;
    private readonly Lock _gate = new();
    private readonly List<Piece> _queue = [];
    private long _queued;
    private ulong _polled;
    private bool _isFull;
    private bool _isFlushed;
    private bool _isGone;
    private bool _isClosed;
    private int _errno;
    private long _awaited;
    private TaskCompletionSource? _waiter;

    /// <summary>Takes the descriptor over.</summary>
    public ImagePipe(SafeFileHandle end)
    {
        _end = end;
        TryEnlarge(Descriptor);

        // This end alone: CRIU's reading end has flags of its own.
        if (Interop.fcntl(Descriptor, Interop.F_SETFL, Interop.fcntl(Descriptor, Interop.F_GETFL, 0) | Interop.O_NONBLOCK) < 0)
        {
            throw LinuxException.Last("fcntl(F_SETFL)");
        }
    }

    private int Descriptor => (int)_end.DangerousGetHandle();

    /// <summary>Copies all bytes into the pipe, after everything that was lent.</summary>
    /// <returns>False when CRIU has closed its end: it needs no more of this image.</returns>
    /// <exception cref="LinuxException">Any other error.</exception>
    public async ValueTask<bool> WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        using var pin = data.Pin();
        Enqueue(pin, data.Length, copy: true);
        return await WaitAsync(0, flush: true, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Gives all bytes without copying them: they stay as they are until <see cref="DrainAsync"/> says that CRIU has them, or the
    /// pipe is closed or abandoned. Managed memory could be moved, so it is copied at once.
    /// </summary>
    /// <returns>As <see cref="WriteAsync"/>.</returns>
    public ValueTask<bool> LendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (MemoryMarshal.TryGetArray(data, out _))
        {
            return WriteAsync(data, cancellationToken);
        }

        using var pin = data.Pin();
        Enqueue(pin, data.Length, copy: false);
        return WaitAsync(HighWater, flush: false, cancellationToken);
    }

    /// <summary>Gives so many zeros.</summary>
    /// <returns>As <see cref="WriteAsync"/>.</returns>
    public async ValueTask<bool> LendZerosAsync(long byteCount, CancellationToken cancellationToken)
    {
        for (; byteCount > 0; byteCount -= s_zeros.Length)
        {
            using var pin = s_zeros.AsMemory().Pin();
            Enqueue(pin, (int)Math.Min(byteCount, s_zeros.Length), copy: false);
            if (!await WaitAsync(HighWater, flush: false, cancellationToken).ConfigureAwait(false))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Returns when CRIU has taken all but the last <paramref name="bytesLeft"/> bytes given, or wants no more.</summary>
    public async ValueTask DrainAsync(long bytesLeft, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_queued + PreferredBytes <= bytesLeft)
            {
                // As a rule: the pipe is full of what came later.
                return;
            }
        }

        if (!await WaitAsync(bytesLeft, flush: true, cancellationToken).ConfigureAwait(false))
        {
            return;
        }

        // Nothing tells of a pipe that empties.
        while (Untaken() > bytesLeft)
        {
            await Task.Delay(s_drainPoll, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Lets go of all memory that is not in the pipe yet. The image is not whole then: the restore must fail.</summary>
    public void Abandon()
    {
        lock (_gate)
        {
            _isClosed = true;
            _queue.Clear();
            _queued = 0;
        }
    }

    public void Dispose()
    {
        Abandon();
        lock (_gate)
        {
            if (_polled != 0)
            {
                PipePoller.Shared.Remove(_polled, Descriptor);
                _polled = 0;
            }

            _end.Dispose();
        }
    }

    /// <summary>Asks for 1 MiB; the kernel refuses it to users above their pipe quota, and the pipe works as it is.</summary>
    internal static void TryEnlarge(int fd) => _ = Interop.fcntl(fd, Interop.F_SETPIPE_SZ, PreferredBytes);

    /// <summary>The poller: CRIU has read from a pipe that was full, or has closed its end.</summary>
    internal void OnRead()
    {
        lock (_gate)
        {
            _isFull = false;
            Pump();
        }
    }

    private unsafe void Enqueue(in MemoryHandle start, int length, bool copy)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (length > 0 && !_isGone)
            {
                _queue.Add(new Piece((nint)start.Pointer, length, copy || s_cannotLend));
                _queued += length;
                Pump();
            }
        }
    }

    /// <summary>Returns when at most so many bytes wait here; true unless CRIU wants no more. With <paramref name="flush"/> a rest that does not fill the pipe goes too.</summary>
    private async ValueTask<bool> WaitAsync(long maxQueued, bool flush, CancellationToken cancellationToken)
    {
        Task waiting;
        lock (_gate)
        {
            _isFlushed = flush;
            Pump();
            ThrowIfFailed();
            if (_queued <= maxQueued || _isGone)
            {
                return !_isGone;
            }

            _awaited = maxQueued;
            _waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            waiting = _waiter.Task;
        }

        try
        {
            while (true)
            {
                try
                {
                    await waiting.WaitAsync(s_lookAgain, cancellationToken).ConfigureAwait(false);
                    break;
                }
                catch (TimeoutException)
                {
                    // No event is ever lost, as far as is known of the kernel; a restore shall not hang on that.
                    OnRead();
                }
            }

            lock (_gate)
            {
                ThrowIfFailed();
                return !_isGone;
            }
        }
        catch (OperationCanceledException)
        {
            // The memory is the caller's again from here on.
            Abandon();
            throw;
        }
    }

    /// <summary>
    /// Fills the pipe. Held back while it is full, and while there is too little to fill it: a pipe that is not full does not tell
    /// when it was read.
    /// </summary>
    private void Pump()
    {
        while (_queued > 0 && !_isFull && !_isGone && !_isClosed && _errno == 0 && (_isFlushed || _queued > PreferredBytes))
        {
            Give();
        }

        if (_waiter is not null && (_queued <= _awaited || _isGone || _isClosed || _errno != 0))
        {
            _waiter.TrySetResult();
            _waiter = null;
        }
    }

    private unsafe void Give()
    {
        var vectors = stackalloc Interop.IoVec[MaxVectors];
        var count = 0;
        long offered = 0;
        var copy = _queue[0].Copy;
        for (; count < Math.Min(MaxVectors, _queue.Count) && _queue[count].Copy == copy; count++)
        {
            vectors[count] = new Interop.IoVec { Base = (void*)_queue[count].Start, Length = (nuint)_queue[count].Length };
            offered += _queue[count].Length;
        }

        // SAFETY: what is queued is pinned or native and stays in place until it has been given or is dropped from the queue.
        var given = copy
            ? Interop.writev(Descriptor, vectors, count)
            : Interop.vmsplice(Descriptor, vectors, (nuint)count, Interop.SPLICE_F_NONBLOCK);
        if (given >= 0)
        {
            Took(given);
            _isFull = given < offered;
        }
        else
        {
            Refused(Marshal.GetLastPInvokeError(), copy);
        }

        if (_isFull && _polled == 0)
        {
            // Reports at once if CRIU has read meanwhile.
            _polled = PipePoller.Shared.Add(this, Descriptor);
        }
    }

    private void Refused(int errno, bool copy)
    {
        switch (errno)
        {
            case Errno.EINTR:
                break;
            case Errno.EAGAIN:
                _isFull = true;
                break;
            case Errno.EPIPE:
                _isGone = true;
                _queue.Clear();
                _queued = 0;
                break;
            case Errno.EPERM or Errno.ENOSYS or Errno.EINVAL when !copy:
                // A sandbox that does not allow it; copying always works.
                s_cannotLend = true;
                for (var i = 0; i < _queue.Count; i++)
                {
                    _queue[i] = _queue[i] with { Copy = true };
                }

                break;
            default:
                _errno = errno;
                break;
        }
    }

    private void ThrowIfFailed()
    {
        if (_errno != 0)
        {
            throw new LinuxException("writing to an image pipe", _errno);
        }
    }

    private void Took(long bytes)
    {
        _queued -= bytes;
        var whole = 0;
        while (whole < _queue.Count && bytes >= _queue[whole].Length)
        {
            bytes -= _queue[whole++].Length;
        }

        _queue.RemoveRange(0, whole);
        if (bytes > 0)
        {
            _queue[0] = _queue[0] with { Start = _queue[0].Start + (nint)bytes, Length = _queue[0].Length - (int)bytes };
        }
    }

    /// <summary>Bytes, here and in the pipe, that CRIU may still take.</summary>
    private unsafe long Untaken()
    {
        lock (_gate)
        {
            if (_isClosed || _isGone)
            {
                return 0;
            }

            var unread = 0;
            if (Interop.ioctl(Descriptor, Interop.FIONREAD, &unread) != 0)
            {
                throw LinuxException.Last("ioctl(FIONREAD) of an image pipe");
            }

            // Without a reader what is in the pipe stays there, and nobody looks at it any more.
            var polled = new Interop.PollFd { Descriptor = Descriptor, Events = Interop.POLLOUT };
            return unread > 0 && Interop.poll(&polled, 1, 0) > 0 && (polled.Returned & Interop.POLLERR) != 0 ? 0 : _queued + unread;
        }
    }

    private readonly record struct Piece(nint Start, int Length, bool Copy);
}
