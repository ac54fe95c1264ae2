using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// Tells when full pipes can be written again. One thread polls for all of them, so that a restore with hundreds of open
/// image pipes ties up no thread of the pool. Entries leave by themselves: a pipe whose reader is gone polls as ready.
/// </summary>
internal sealed class PipePoller
{
    private readonly Lock _gate = new();
    private readonly Dictionary<int, TaskCompletionSource> _waiting = [];
    private readonly SafeFileHandle _wake;

    private PipePoller()
    {
        var wake = Interop.eventfd(0, Interop.EFD_CLOEXEC | Interop.EFD_NONBLOCK);
        _wake = wake >= 0 ? new SafeFileHandle(wake, true) : throw LinuxException.Last("eventfd");
        new Thread(Run) { IsBackground = true, Name = "image pipes" }.Start();
    }

    public static PipePoller Shared => Holder.Instance;

    /// <summary>Completes when the descriptor can be written or its reader is gone. One waiter a descriptor, which stays open meanwhile.</summary>
    public async Task WaitAsync(int fd, CancellationToken cancellationToken)
    {
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _waiting.Add(fd, ready);
        }

        Wake();
        await using (cancellationToken.Register(() => Forget(fd, ready)).ConfigureAwait(false))
        {
            await ready.Task.ConfigureAwait(false);
        }

        cancellationToken.ThrowIfCancellationRequested();
    }

    private void Forget(int fd, TaskCompletionSource ready)
    {
        lock (_gate)
        {
            if (_waiting.TryGetValue(fd, out var waiting) && waiting == ready)
            {
                _waiting.Remove(fd);
            }
        }

        ready.TrySetResult();
        Wake(); // so that the thread no longer polls a descriptor that is about to be closed
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = Interop.write((int)_wake.DangerousGetHandle(), &one, sizeof(ulong));
    }

    private unsafe void Run()
    {
        while (true)
        {
            Interop.PollFd[] polled;
            lock (_gate)
            {
                polled = new Interop.PollFd[1 + _waiting.Count];
                var next = 1;
                foreach (var fd in _waiting.Keys)
                {
                    polled[next++] = new() { Descriptor = fd, Events = Interop.POLLOUT };
                }
            }

            polled[0] = new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = Interop.POLLIN };
            fixed (Interop.PollFd* first = polled)
            {
                // EINTR leaves no result, and the loop comes round.
                if (Interop.poll(first, (nuint)polled.Length, -1) <= 0)
                {
                    continue;
                }
            }

            ulong ignored;
            _ = Interop.read((int)_wake.DangerousGetHandle(), &ignored, sizeof(ulong));
            foreach (var entry in polled.AsSpan(1))
            {
                TaskCompletionSource? ready = null;
                lock (_gate)
                {
                    if (entry.Returned != 0)
                    {
                        _waiting.Remove(entry.Descriptor, out ready);
                    }
                }

                ready?.TrySetResult();
            }
        }
    }

    private static class Holder
    {
        public static readonly PipePoller Instance = new();
    }
}
