using System.Collections.Concurrent;
using Floe.Linux;

namespace Floe.Fuse.Serving;

/// <summary>
/// The requests that are not answered yet, for INTERRUPT. The kernel sends one for any signal to the caller, once; an operation on a file must
/// only end early when the caller is being killed, so an interrupted request is watched until it is answered or its caller dies.
/// </summary>
internal sealed class PendingRequests(TimeProvider time)
{
    private static readonly TimeSpan s_watchInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Bit of SIGKILL in the signal masks of /proc; a process that ends by any signal has it pending in every thread.</summary>
    private const ulong KillBit = 1UL << (9 - 1);

    private const int MaxEarly = 256;

    private readonly ConcurrentDictionary<ulong, FuseRequest> _requests = new();
    private readonly Queue<ulong> _early = new();
    private readonly Lock _gate = new();
    private volatile bool _releasesTraced;

    /// <summary>
    /// Whether requests that have a <see cref="FuseRequest.Released"/> end early when their caller is being stopped by a tracer: it cannot stop before
    /// they are answered, and does not run a step further then. Those of no process, such as the kernel's own writes of mapped pages, end early at
    /// once: whoever is being stopped may wait for them.
    /// </summary>
    public bool ReleasesTraced
    {
        get => _releasesTraced;
        set
        {
            _releasesTraced = value;
            foreach (var request in value ? _requests.Values.Where(r => r.Caller.Pid == 0) : [])
            {
                // What ends goes on where it is let go.
                _ = Task.Run(() => Try(request.Release));
            }
        }
    }

    public void Add(FuseRequest request)
    {
        _requests[request.Unique] = request;
        if (request.Caller.Pid == 0 && ReleasesTraced)
        {
            _ = Task.Run(() => Try(request.Release));
        }

        bool isInterrupted;
        lock (_gate)
        {
            isInterrupted = _early.Contains(request.Unique);
        }

        if (isInterrupted)
        {
            _ = WatchAsync(request);
        }
    }

    public void Remove(FuseRequest request) => _requests.TryRemove(request.Unique, out _);

    public void Interrupt(ulong unique)
    {
        if (_requests.TryGetValue(unique, out var request))
        {
            _ = WatchAsync(request);
            return;
        }

        // Answered already, or another thread has just taken it from the kernel: then Add finds it here.
        lock (_gate)
        {
            _early.Enqueue(unique);
            if (_early.Count > MaxEarly)
            {
                _early.Dequeue();
            }
        }

        if (_requests.TryGetValue(unique, out request))
        {
            _ = WatchAsync(request);
        }
    }

    public void CancelAll()
    {
        foreach (var request in _requests.Values)
        {
            Try(request.Cancel);
        }
    }

    private async Task WatchAsync(FuseRequest request)
    {
        while (_requests.TryGetValue(request.Unique, out var pending) && pending == request)
        {
            var (isBeingKilled, isTraced) = Caller(request.Caller.Pid);
            if (isBeingKilled)
            {
                Try(request.Cancel);
                return;
            }

            if (isTraced && ReleasesTraced)
            {
                Try(request.Release);
            }

            await Task.Delay(s_watchInterval, time, CancellationToken.None).ConfigureAwait(false);
        }
    }

    private static void Try(Action end)
    {
        try
        {
            end();
        }
        catch (ObjectDisposedException)
        {
            // Answered in this moment.
        }
    }

    private static (bool IsBeingKilled, bool IsTraced) Caller(uint pid)
    {
        if (pid == 0)
        {
            return default;
        }

        try
        {
            var (isBeingKilled, isTraced) = (false, false);
            foreach (var line in File.ReadLines($"/proc/{pid}/status"))
            {
                if (line.StartsWith("TracerPid:", StringComparison.Ordinal))
                {
                    isTraced = line.AsSpan("TracerPid:".Length).Trim() is not "0";
                }
                else if ((line.StartsWith("SigPnd:", StringComparison.Ordinal) || line.StartsWith("ShdPnd:", StringComparison.Ordinal)) &&
                    ulong.TryParse(line.AsSpan(7).Trim(), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var signals))
                {
                    isBeingKilled |= (signals & KillBit) != 0;
                }
            }

            return (isBeingKilled, isTraced);
        }
        catch (IOException)
        {
            // It is gone, so nobody waits.
            return (true, false);
        }
    }
}
