using System.Runtime.InteropServices;
using Floe.Linux;

namespace Floe.Criu.Streaming;

/// <summary>
/// Tells image pipes that CRIU has read from them. One thread for all pipes, so that a restore with hundreds of open ones ties up
/// no thread of the pool; it also refills them, so that CRIU waits for one switch of threads and not for three.
/// Edge-triggered: a pipe that was full reports once when CRIU's read is through. (A pipe polls as writable from the first page
/// that CRIU takes, but whoever writes then only spins on the pipe's lock until CRIU has copied the rest.)
/// </summary>
internal sealed unsafe class PipePoller
{
    private const int MaxEvents = 64;

    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, ImagePipe> _pipes = [];
    private readonly int _epoll;
    private ulong _lastId;

    private PipePoller()
    {
        _epoll = Interop.epoll_create1(Interop.EPOLL_CLOEXEC);
        if (_epoll < 0)
        {
            throw LinuxException.Last("epoll_create1");
        }

        new Thread(Run) { IsBackground = true, Name = "image pipes" }.Start();
    }

    public static PipePoller Shared => Holder.Instance;

    /// <summary>From now on <see cref="ImagePipe.OnRead"/> is called; at once if the pipe can be written already. Returns what <see cref="Remove"/> takes.</summary>
    public ulong Add(ImagePipe pipe, int fd)
    {
        lock (_gate)
        {
            var id = ++_lastId;
            _pipes.Add(id, pipe);
            var wanted = new Interop.EpollEvent(Interop.EPOLLOUT | Interop.EPOLLET, id);
            if (Interop.epoll_ctl(_epoll, Interop.EPOLL_CTL_ADD, fd, &wanted) != 0)
            {
                _pipes.Remove(id);
                throw LinuxException.Last("epoll_ctl of an image pipe");
            }

            return id;
        }
    }

    /// <summary>Before the descriptor is closed. A call of <see cref="ImagePipe.OnRead"/> may still be under way.</summary>
    public void Remove(ulong id, int fd)
    {
        lock (_gate)
        {
            _pipes.Remove(id);
            Interop.EpollEvent ignored = default;
            _ = Interop.epoll_ctl(_epoll, Interop.EPOLL_CTL_DEL, fd, &ignored);
        }
    }

    private void Run()
    {
        var events = stackalloc byte[MaxEvents * Interop.EpollEvent.Stride];
        while (true)
        {
            var count = Interop.epoll_wait(_epoll, events, MaxEvents, -1);
            if (count < 0 && Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw LinuxException.Last("epoll_wait of the image pipes");
            }

            for (var i = 0; i < count; i++)
            {
                ImagePipe? pipe;
                lock (_gate)
                {
                    _pipes.TryGetValue(Interop.EpollEvent.DataAt(events + (i * Interop.EpollEvent.Stride)), out pipe);
                }

                pipe?.OnRead();
            }
        }
    }

    private static class Holder
    {
        public static readonly PipePoller Instance = new();
    }
}
