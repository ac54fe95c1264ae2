using System.Net.Sockets;
using System.Runtime.InteropServices;
using Floe.Criu.Dump;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Criu.Streaming;

/// <summary>
/// The receiving end of <c>criu dump --stream</c>: one thread that polls CRIU's connection and every open image pipe.
/// CRIU announces a file by name, passes the reading end of a pipe, and closes its end when the file is whole; several files
/// are open at a time, and <c>inventory.img</c> is the last. What each file is for is <see cref="CaptureFile"/>'s business.
/// There are no error messages in the protocol: to refuse, this side closes everything, CRIU meets EPIPE, gives up and lets
/// the task run on.
/// </summary>
internal sealed unsafe class CaptureServer : IDisposable
{
    private const int MaxOpenFiles = 1024;
    private const int BufferBytes = 1 << 20;

    private readonly Socket _listener;
    private readonly CaptureCatalog _catalog;
    private readonly SafeFileHandle _wake;
    private readonly SafeFileHandle _nowhere;
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<CaptureFile> _open = [];
    private volatile bool _aborted;

    public CaptureServer(string workDirectory, IImageSink sink, TcpMode tcp = TcpMode.Close)
    {
        _catalog = new CaptureCatalog(sink, tcp);
        _listener = StreamListener.Listen(workDirectory, StreamListener.CaptureSocket);
        var wake = Interop.eventfd(0, Interop.EFD_CLOEXEC);
        _wake = wake >= 0 ? new SafeFileHandle(wake, true) : throw LinuxException.Last("eventfd");
        _nowhere = File.OpenHandle("/dev/null", FileMode.Open, FileAccess.Write);
        new Thread(Run) { IsBackground = true, Name = "criu images" }.Start();
    }

    /// <summary>Completes when every image has been received whole, <c>inventory.img</c> among them; fails with what went wrong first.</summary>
    public Task Complete => _complete.Task;

    /// <summary>Completes when the thread has ended, which a call of <see cref="Abort"/> or CRIU's end brings about. Never fails.</summary>
    public Task Ended => _ended.Task;

    /// <summary>What the images said. Only after <see cref="Complete"/>.</summary>
    public CaptureCatalog Catalog => _catalog;

    /// <summary>Closes every pipe: CRIU meets EPIPE at its next write and gives the dump up.</summary>
    public void Abort()
    {
        _aborted = true;
        ulong one = 1;
        _ = Interop.write((int)_wake.DangerousGetHandle(), &one, sizeof(ulong));
    }

    /// <summary>Only after <see cref="Ended"/>.</summary>
    public void Dispose()
    {
        _wake.Dispose();
        _nowhere.Dispose();
    }

    private void Run()
    {
        Socket? connection = null;
        try
        {
            if (WaitFor((int)_listener.Handle))
            {
                connection = _listener.Accept();
                Pump(connection);
            }

            // CRIU is gone. After Complete that is its ordinary end; before, its log says why.
            _complete.TrySetException(new ImageStreamException("CRIU ended the image stream before its images were whole"));
        }
        catch (Exception error)
        {
            _complete.TrySetException(error);
        }
        finally
        {
            foreach (var file in _open)
            {
                file.Dispose();
            }

            connection?.Dispose();
            _listener.Dispose(); // a CRIU that was never accepted must meet the end too
            _ = _complete.Task.Exception; // observed here: a dump that fails otherwise never looks at it
            _ended.TrySetResult();
        }
    }

    private void Pump(Socket connection)
    {
        var requests = new DescriptorSocket(connection, _wake);
        var buffer = (byte*)NativeMemory.Alloc(BufferBytes);
        try
        {
            var connected = true;
            while (connected || _open.Count > 0)
            {
                var polled = new Interop.PollFd[2 + _open.Count];
                polled[0] = new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = Interop.POLLIN };
                polled[1] = new() { Descriptor = connected ? (int)connection.Handle : -1, Events = Interop.POLLIN };
                for (var i = 0; i < _open.Count; i++)
                {
                    polled[2 + i] = new() { Descriptor = _open[i].Descriptor, Events = Interop.POLLIN };
                }

                Poll(polled);
                if (_aborted)
                {
                    return;
                }

                // Pipes first, from the last one on, so that removals keep the indices.
                for (var i = _open.Count - 1; i >= 0; i--)
                {
                    if (polled[2 + i].Returned != 0 && !_open[i].Receive(new Span<byte>(buffer, BufferBytes), _nowhere))
                    {
                        using var file = _open[i];
                        _open.RemoveAt(i);
                        _catalog.Finish(file);
                    }
                }

                if (polled[1].Returned != 0)
                {
                    connected = Accept(requests);
                }

                if (_open.Count == 0 && _catalog.HasInventory)
                {
                    _catalog.Check();
                    _complete.TrySetResult();
                }
            }
        }
        finally
        {
            NativeMemory.Free(buffer);
        }
    }

    private bool Accept(DescriptorSocket requests)
    {
        if (requests.ReadRequest() is not { } name)
        {
            return false;
        }

        var pipe = requests.ReadDescriptor();
        try
        {
            if (_open.Count >= MaxOpenFiles)
            {
                throw new ImageStreamException($"CRIU has more than {MaxOpenFiles} images open at once");
            }

            _open.Add(_catalog.Begin(name, pipe));
        }
        catch
        {
            pipe.Dispose();
            throw;
        }

        return true;
    }

    /// <summary>False when aborted first.</summary>
    private bool WaitFor(int fd)
    {
        Interop.PollFd[] polled =
        [
            new() { Descriptor = (int)_wake.DangerousGetHandle(), Events = Interop.POLLIN },
            new() { Descriptor = fd, Events = Interop.POLLIN },
        ];
        Poll(polled);
        return !_aborted;
    }

    private static void Poll(Interop.PollFd[] polled)
    {
        fixed (Interop.PollFd* first = polled)
        {
            while (Interop.poll(first, (nuint)polled.Length, -1) < 0)
            {
                if (Marshal.GetLastPInvokeError() != Errno.EINTR)
                {
                    throw LinuxException.Last("poll of the image stream");
                }
            }
        }
    }
}
