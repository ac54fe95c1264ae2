using System.Runtime.InteropServices;
using Floe.Fuse.Mounting;
using Floe.Fuse.Protocol;
using Floe.Fuse.Serving;
using Floe.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Floe.Fuse;

/// <summary>
/// A mounted file system and the threads that serve it. It ends when the mount is gone, whoever unmounted it; disposing it unmounts lazily,
/// and what is still open there gets ENOTCONN.
/// </summary>
public sealed partial class FuseServer : IAsyncDisposable
{
    private readonly IFuseFileSystem _files;
    private readonly FuseServerOptions _options;
    private readonly ILogger _logger;
    private readonly Negotiation _settled;
    private readonly RequestBufferPool _buffers;
    private readonly PendingRequests _pending;
    private readonly SemaphoreSlim _slots;
    private readonly SafeFileHandle _stop;
    private readonly SafeFileHandle _refused = NewSignal();
    private readonly (uint Major, uint Minor)? _device;
    private readonly List<FuseChannel> _channels = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _threads;
    private int _isDisposed;

    private FuseServer(
        string directory, IFuseFileSystem files, FuseServerOptions options, TimeProvider time, ILogger logger, FuseChannel main, RequestBufferPool buffers, Negotiation settled,
        SafeFileHandle stop)
    {
        Directory = directory;
        _device = FuseMountPoint.DeviceAt(directory);
        _files = files;
        _options = options;
        _logger = logger;
        _buffers = buffers;
        _settled = settled;
        _stop = stop;
        _pending = new PendingRequests(time);
        _slots = new SemaphoreSlim(options.MaxRequests, options.MaxRequests);
        _channels.Add(main);
    }

    /// <summary>Where it is mounted, without symbolic links.</summary>
    public string Directory { get; }

    /// <summary>Ends when the mount is gone and every request is answered.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Whether it is what can be seen at its path: it may have been unmounted here and not elsewhere, or another be mounted over it.</summary>
    public bool IsSeen => !_ended.Task.IsCompleted && FuseMountPoint.DeviceAt(Directory) == _device;

    /// <summary>Whether files that are open for direct I/O can be mapped shared all the same (Linux 6.6).</summary>
    public bool MayMapDirectIo => _settled.MayMapDirectIo;

    /// <summary>Whether the kernel can be given files to read and write itself (Linux 6.9): <see cref="TryRegisterBacking"/>.</summary>
    public bool MayPassThrough => _settled.MayPassThrough;

    /// <summary>
    /// Set while a tracer stops the callers, to be frozen: whoever waits in fsync or write cannot stop before it is answered, and is answered then. See
    /// <see cref="IFuseFileSystem.SyncAsync"/>.
    /// </summary>
    public bool ReleasesTraced
    {
        get => _pending.ReleasesTraced;
        set => _pending.ReleasesTraced = value;
    }

    /// <summary>Mounts the file system on an existing folder (absolute path) and serves it.</summary>
    /// <exception cref="LinuxException">No /dev/fuse, no right to mount, no such folder.</exception>
    /// <exception cref="FuseException">The kernel's FUSE is too old.</exception>
    public static FuseServer Mount(string directory, IFuseFileSystem files, FuseServerOptions options, TimeProvider time, ILogger logger)
    {
        directory = FuseMountPoint.Resolve(directory);
        var device = FuseChannel.OpenDevice();
        var main = new FuseChannel(device);
        var buffers = new RequestBufferPool(options.MaxBufferBytes, options.MaxTransferBytes + 4096, options.OpenSpill);
        var stop = NewSignal();
        var isMounted = false;
        try
        {
            FuseMountPoint.Mount(directory, device, options);
            isMounted = true;
            var settled = Initialise(main, buffers, stop, options);
            var server = new FuseServer(directory, files, options, time, logger, main, buffers, settled, stop);
            while (server._channels.Count < options.Threads)
            {
                server._channels.Add(FuseChannel.Clone(device));
            }

            server.Start();
            FuseMountPoint.RaiseReadAhead(directory, options.MaxTransferBytes);
            server.LogMounted(directory, settled.Minor, settled.MayPassThrough);
            return server;
        }
        catch
        {
            if (isMounted)
            {
                FuseMountPoint.Unmount(directory, isLazy: true);
            }

            main.Dispose();
            buffers.Dispose();
            stop.Dispose();
            throw;
        }
    }

    /// <summary>Whether something is mounted on a folder (absolute path), also what nobody serves any more.</summary>
    public static bool IsMountPoint(string directory) => MountTable.DeviceOn(FuseMountPoint.Resolve(directory)) is not null;

    /// <summary>
    /// Takes the mount away, where it is seen. False: files in it are open or somebody's working directory lies in it, and it stays. A lazy unmount always
    /// succeeds: the mount vanishes from the tree at once, and is served until the last file is closed. It goes on for those who have a copy of it, in
    /// another mount namespace.
    /// </summary>
    public bool TryUnmount(bool isLazy)
    {
        if (!IsSeen)
        {
            return true;
        }

        return FuseMountPoint.Unmount(Directory, isLazy) switch
        {
            0 or Errno.EINVAL or Errno.ENOENT => true,
            Errno.EBUSY => false,
            var errno => throw new LinuxException($"unmount {Directory}", errno),
        };
    }

    /// <summary>
    /// The kernel gives back every node whose name nobody holds, in requests of its own that come after this. It can wait for pages that are being
    /// written to this file system, so never call it from a request. False: the kernel refuses.
    /// </summary>
    public bool ForgetUnused() => FuseMountPoint.ForgetUnused(Directory);

    /// <summary>
    /// Gives the kernel a file that it may read and write itself for opens that name the id (Linux 6.9, CAP_SYS_ADMIN). Null where it cannot;
    /// then the requests come here as ever.
    /// </summary>
    public unsafe int? TryRegisterBacking(SafeFileHandle file)
    {
        if (!_settled.MayPassThrough)
        {
            return null;
        }

        var map = new BackingMap { Descriptor = (int)file.DangerousGetHandle() };
        // SAFETY: the kernel reads the struct during the call.
        var id = _channels[0].Control(FuseConstants.FUSE_DEV_IOC_BACKING_OPEN, &map);
        return id > 0 ? id : null;
    }

    /// <summary>
    /// The kernel drops what it has of a file's bytes, which it reads anew for whoever wants them. It waits for pages that are being read from this file system
    /// or written to it: never on a thread that answers requests. A node that it does not know any more is no error.
    /// </summary>
    public void InvalidatePages(ulong node, long offset, long count)
    {
        var body = new NotifyInvalInodeOut { Ino = node, Offset = offset, Length = count };
        var bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<NotifyInvalInodeOut>(in body));
        // A message that answers nothing: the code takes the error's place.
        var header = new OutHeader { Length = (uint)(FuseChannel.HeaderBytes + bytes.Length), Error = FuseConstants.FUSE_NOTIFY_INVAL_INODE };
        _ = _channels[0].TrySend(MemoryMarshal.AsBytes(new ReadOnlySpan<OutHeader>(in header)), bytes);
    }

    public unsafe void ReleaseBacking(int id)
    {
        var number = (uint)id;
        // SAFETY: the kernel reads one u32 during the call.
        _ = _channels[0].Control(FuseConstants.FUSE_DEV_IOC_BACKING_CLOSE, &number);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        var refusing = Task.CompletedTask;
        if (!_ended.Task.IsCompleted)
        {
            if (IsSeen)
            {
                FuseMountPoint.Unmount(Directory, isLazy: true);
            }

            Signal(_stop);
            _pending.CancelAll();
            refusing = Task.Factory.StartNew(Refuse, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        }

        await _ended.Task.ConfigureAwait(false);
        Signal(_refused);
        await refusing.ConfigureAwait(false);
        _slots.Dispose();
        _stop.Dispose();
        _refused.Dispose();
        foreach (var channel in _channels)
        {
            channel.Dispose();
        }
    }

    private static Negotiation Initialise(FuseChannel channel, RequestBufferPool buffers, SafeFileHandle stop, FuseServerOptions options)
    {
        var buffer = buffers.Rent(options.MaxTransferBytes + 4096);
        try
        {
            var length = channel.Receive(buffer, stop);
            var bytes = buffer.GetSpan()[..length];
            if (!MemoryMarshal.TryRead<InHeader>(bytes, out var header) || header.Opcode != FuseOpcode.Init)
            {
                throw new FuseException(Errno.EIO, "the kernel's first message is not INIT");
            }

            var message = new FuseMessage(bytes[Marshal.SizeOf<InHeader>()..]);
            var (settled, answer) = Negotiation.Settle(message.ReadPrefix<InitIn>(16), options);
            using var request = new FuseRequest(channel, header);
            return request.Reply(answer) ? settled : throw new FuseException(Errno.EIO, "the kernel does not take the answer to INIT");
        }
        finally
        {
            buffer.Return();
        }
    }

    private static SafeFileHandle NewSignal() => new(Interop.eventfd(0, Interop.EFD_CLOEXEC | Interop.EFD_NONBLOCK), ownsHandle: true);

    /// <summary>The eventfd stays readable, so every thread sees it.</summary>
    private static unsafe void Signal(SafeFileHandle signal)
    {
        var one = 1UL;
        // SAFETY: eight bytes of this stack.
        _ = Interop.write((int)signal.DangerousGetHandle(), &one, sizeof(ulong));
    }

    /// <summary>
    /// From the stop until all that is under way has ended: what the kernel asks is refused. Left unanswered, a read would keep its page locked, and a write whose end is
    /// <see cref="InvalidatePages"/> would wait for that page, in the kernel and for ever.
    /// </summary>
    private void Refuse()
    {
        const int ENOTCONN = 107;
        try
        {
            var buffer = _buffers.Rent(_options.MaxTransferBytes + 4096);
            try
            {
                while (_channels[0].Receive(buffer, _refused) is > 0 and var length)
                {
                    RequestDispatcher.Refuse(_channels[0], buffer.GetSpan()[..length], ENOTCONN);
                }
            }
            finally
            {
                buffer.Return();
            }
        }
        catch (ObjectDisposedException)
        {
            // It has just ended by itself.
        }
    }

    private void Start()
    {
        _threads = _channels.Count;
        foreach (var channel in _channels)
        {
            var dispatcher = new RequestDispatcher(_files, _buffers, _pending, _options.MaxTransferBytes, () => _slots.Release(), _logger);
            new Thread(() => Serve(channel, dispatcher), 512 << 10) { IsBackground = true, Name = "fuse" }.Start();
        }
    }

    private void Serve(FuseChannel channel, RequestDispatcher dispatcher)
    {
        RequestBuffer? buffer = null;
        try
        {
            while (true)
            {
                _slots.Wait();
                buffer ??= _buffers.Rent(_options.MaxTransferBytes + 4096);
                var length = channel.Receive(buffer, _stop);
                if (length == 0)
                {
                    _slots.Release();
                    break;
                }

                if (dispatcher.Dispatch(channel, buffer, length))
                {
                    buffer = null;
                }
            }
        }
        catch (Exception e)
        {
            LogThreadFailed(e);
        }

        buffer?.Return();
        if (Interlocked.Decrement(ref _threads) == 0)
        {
            _ = EndAsync();
        }
    }

    private async Task EndAsync()
    {
        // Whoever asked is gone; what is under way for them is not worth its end.
        _pending.CancelAll();
        for (var i = 0; i < _options.MaxRequests; i++)
        {
            await _slots.WaitAsync().ConfigureAwait(false);
        }

        _buffers.Dispose();
        LogEnded(Directory);
        _ended.SetResult();
    }

    [LoggerMessage(3003, LogLevel.Debug, "Mounted on {Directory} (FUSE 7.{Minor}, passthrough {MayPassThrough})")]
    private partial void LogMounted(string directory, uint minor, bool mayPassThrough);

    [LoggerMessage(3004, LogLevel.Debug, "The mount on {Directory} is gone")]
    private partial void LogEnded(string directory);

    [LoggerMessage(3005, LogLevel.Critical, "A thread of the file server failed; the mount may stop answering")]
    private partial void LogThreadFailed(Exception exception);
}
