using System.Net.Sockets;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// The giving end of <c>criu restore --stream</c>. One thread answers CRIU's requests, which come one at a time over one
/// connection that CRIU's children share; each file that exists is then written to its own pipe, all at once, without
/// holding threads. CRIU may close a pipe early, and may ask for a name again.
/// </summary>
internal sealed class ServeServer : IDisposable
{
    private readonly IImageSource _source;
    private readonly Socket _listener;
    private readonly SafeFileHandle _wake;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _gate = new();
    private readonly HashSet<Task> _writing = [];
    private Exception? _failure;
    private Exception? _brokenOff;

    public ServeServer(string workDirectory, IImageSource source)
    {
        _source = source;
        _listener = StreamListener.Listen(workDirectory, StreamListener.ServeSocket);
        var wake = Interop.eventfd(0, Interop.EFD_CLOEXEC);
        _wake = wake >= 0 ? new SafeFileHandle(wake, true) : throw LinuxException.Last("eventfd");
        new Thread(Run) { IsBackground = true, Name = "criu images" }.Start();
    }

    /// <summary>Fails with the first thing that went wrong; never completes otherwise.</summary>
    public Task Failed => _failed.Task;

    /// <summary>Null, or the first thing that went wrong on this side.</summary>
    public Exception? Failure => Volatile.Read(ref _failure);

    /// <summary>
    /// Null, or how CRIU broke off inside a request: as a rule the consequence of what its log says, because when one process of a tree
    /// fails CRIU kills the others wherever they are.
    /// </summary>
    public Exception? BrokenOff => Volatile.Read(ref _brokenOff);

    /// <summary>Closes the connection and every pipe and waits until no call into the source is left.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        Wake();
        await _ended.Task.ConfigureAwait(false);
        Task[] writing;
        lock (_gate)
        {
            writing = [.. _writing];
        }

        await Task.WhenAll(writing).ConfigureAwait(false);
    }

    /// <summary>Only after <see cref="StopAsync"/>.</summary>
    public void Dispose()
    {
        _listener.Dispose();
        _wake.Dispose();
        _stop.Dispose();
    }

    private void Run()
    {
        try
        {
            if (!WaitFor((int)_listener.Handle))
            {
                return;
            }

            using var connection = _listener.Accept();
            var requests = new DescriptorSocket(connection, _wake);
            while (WaitFor((int)connection.Handle) && requests.ReadRequest() is { } name)
            {
                var exists = _source.Exists(name);
                requests.WriteReply(exists);
                if (exists)
                {
                    Give(name, requests.ReadDescriptor());
                }
            }
        }
        catch (Exception) when (_stop.IsCancellationRequested)
        {
            // The restore is over.
        }
        catch (ImageStreamException error) when (error.IsBrokenOff)
        {
            Volatile.Write(ref _brokenOff, error);
            Tell(error);
        }
        catch (Exception error)
        {
            Fail(error);
        }
        finally
        {
            _listener.Dispose(); // a CRIU that was never accepted must meet the end too
            _ended.TrySetResult();
        }
    }

    private void Give(string name, SafeFileHandle end)
    {
        var pipe = new ImagePipe(end);
        lock (_gate)
        {
            // Off this thread at once: a source may take its time before it first awaits.
            var task = Task.Run(() => GiveAsync(name, pipe));
            _writing.Add(task);
            _ = task.ContinueWith(
                done =>
                {
                    lock (_gate)
                    {
                        _writing.Remove(done);
                    }
                },
                CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        }
    }

    private async Task GiveAsync(string name, ImagePipe pipe)
    {
        using (pipe)
        {
            try
            {
                if (_source.TryGetSmall(name, out var content))
                {
                    await pipe.WriteAsync(content, _stop.Token).ConfigureAwait(false);
                }
                else
                {
                    await _source.WriteStreamAsync(name, pipe, _stop.Token).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // The restore is over.
            }
            catch (Exception error)
            {
                // Before the pipe ends: cut short it looks whole to CRIU, and the restore must not go on.
                Fail(error);
            }
        }
    }

    /// <summary>The first failure counts.</summary>
    private void Fail(Exception error)
    {
        _ = Interlocked.CompareExchange(ref _failure, error, null);
        Tell(error);
    }

    private void Tell(Exception error)
    {
        _failed.TrySetException(error);
        _ = _failed.Task.Exception;
    }

    private unsafe void Wake()
    {
        ulong one = 1;
        _ = Interop.write((int)_wake.DangerousGetHandle(), &one, sizeof(ulong));
    }

    /// <summary>False when stopped first.</summary>
    private unsafe bool WaitFor(int fd)
    {
        var polled = stackalloc Interop.PollFd[2];
        polled[0] = new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = Interop.POLLIN };
        polled[1] = new() { Descriptor = fd, Events = Interop.POLLIN };
        while (Interop.poll(polled, 2, -1) < 0)
        {
            if (Marshal.GetLastPInvokeError() != Errno.EINTR)
            {
                throw LinuxException.Last("poll of the image stream");
            }
        }

        return polled[0].Returned == 0;
    }
}
