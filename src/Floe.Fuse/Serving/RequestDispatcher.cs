using System.Runtime.InteropServices;
using Floe.Fuse.Protocol;
using Floe.Linux;
using Microsoft.Extensions.Logging;

namespace Floe.Fuse.Serving;

/// <summary>
/// Turns messages into calls of the file system and results into answers. What the file system can tell at once is answered on the thread that
/// took the message; the rest is answered when it is known, and the thread takes the next message meanwhile.
/// </summary>
internal sealed partial class RequestDispatcher(
    IFuseFileSystem files, RequestBufferPool buffers, PendingRequests pending, int maxTransferBytes, Action finished, ILogger logger)
{
    private static readonly int s_headerBytes = Marshal.SizeOf<InHeader>();

    /// <summary>Answers a message now or later. True: the buffer belongs to the request from now on.</summary>
    public bool Dispatch(FuseChannel channel, RequestBuffer buffer, int length)
    {
        var bytes = buffer.GetSpan()[..length];
        if (!MemoryMarshal.TryRead<InHeader>(bytes, out var header) || header.Length != length || header.ExtensionLength * 8 > length - s_headerBytes)
        {
            LogMalformed(length);
            finished();
            return false;
        }

        var message = new FuseMessage(bytes[s_headerBytes..^(header.ExtensionLength * 8)]);
        switch (header.Opcode)
        {
            // These have no answer.
            case FuseOpcode.Forget or FuseOpcode.BatchForget or FuseOpcode.Interrupt:
                TakeNote(header, ref message);
                finished();
                return false;
        }

        var request = new FuseRequest(channel, header);
        try
        {
            if (header.Opcode == FuseOpcode.Write)
            {
                return Write(request, ref message, buffer);
            }

            Start(request, ref message);
        }
        catch (Exception e)
        {
            Fail(request, e);
        }

        return false;
    }

    /// <summary>Answers a message with an error, if it is one that has an answer.</summary>
    public static void Refuse(FuseChannel channel, ReadOnlySpan<byte> message, int errno)
    {
        if (MemoryMarshal.TryRead<InHeader>(message, out var header) && header.Opcode is not (FuseOpcode.Forget or FuseOpcode.BatchForget or FuseOpcode.Interrupt))
        {
            using var request = new FuseRequest(channel, header);
            request.Fail(errno);
        }
    }

    private void TakeNote(in InHeader header, ref FuseMessage message)
    {
        try
        {
            switch (header.Opcode)
            {
                case FuseOpcode.Forget:
                    files.Forget(header.NodeId, message.Read<ulong>());
                    break;
                case FuseOpcode.BatchForget:
                    for (var left = message.Read<BatchForgetIn>().Count; left > 0; left--)
                    {
                        var one = message.Read<ForgetOne>();
                        files.Forget(one.NodeId, one.Lookups);
                    }

                    break;
                default:
                    pending.Interrupt(message.Read<InterruptIn>().Unique);
                    break;
            }
        }
        catch (FuseException e)
        {
            LogFailure(header.Opcode, e);
        }
    }

    private void Start(FuseRequest request, ref FuseMessage message)
    {
        switch (request.Opcode)
        {
            case FuseOpcode.Lookup:
                Answer(request, files.LookupAsync(request.NodeId, message.ReadName(), request.Token), ReplyLookup);
                break;
            case FuseOpcode.GetAttr:
                var getAttr = message.Read<GetAttrIn>();
                Answer(request, files.GetAttributesAsync(request.NodeId, (getAttr.Flags & GetAttrIn.HasHandle) != 0 ? getAttr.Handle : null, request.Token), ReplyAttributes);
                break;
            case FuseOpcode.SetAttr:
                Answer(request, files.SetAttributesAsync(request.NodeId, ChangeOf(message.Read<SetAttrIn>()), request.Caller, request.Token), ReplyAttributes);
                break;
            case FuseOpcode.ReadLink:
                Answer(request, files.ReadLinkAsync(request.NodeId, request.Token), static (r, target) => r.Reply(target.Span));
                break;
            case FuseOpcode.SymLink:
                var link = message.ReadName();
                Answer(request, files.SymLinkAsync(request.NodeId, link, message.ReadString(4095), request.Caller, request.Token), ReplyEntry);
                break;
            case FuseOpcode.MkNod:
                var mkNod = message.Read<MkNodIn>();
                Answer(request, files.MakeNodeAsync(request.NodeId, message.ReadName(), mkNod.Mode, mkNod.RDev, request.Caller, request.Token), ReplyEntry);
                break;
            case FuseOpcode.MkDir:
                var mkDir = message.Read<MkDirIn>();
                Answer(request, files.MakeDirectoryAsync(request.NodeId, message.ReadName(), mkDir.Mode, request.Caller, request.Token), ReplyEntry);
                break;
            case FuseOpcode.Unlink:
                Answer(request, files.UnlinkAsync(request.NodeId, message.ReadName(), request.Token));
                break;
            case FuseOpcode.RmDir:
                Answer(request, files.RemoveDirectoryAsync(request.NodeId, message.ReadName(), request.Token));
                break;
            case FuseOpcode.Rename:
                Rename(request, message.Read<RenameIn>().NewParent, 0, ref message);
                break;
            case FuseOpcode.Rename2:
                var rename = message.Read<Rename2In>();
                Rename(request, rename.NewParent, rename.Flags, ref message);
                break;
            case FuseOpcode.Link:
                var linked = message.Read<ulong>();
                Answer(request, files.LinkAsync(linked, request.NodeId, message.ReadName(), request.Token), ReplyEntry);
                break;
            case FuseOpcode.Open:
                var open = message.Read<OpenIn>();
                Answer(request, files.OpenAsync(request.NodeId, open.Flags, KillsPrivileges(open.OpenFlags), request.Token), ReplyOpened);
                break;
            case FuseOpcode.Create:
                var create = message.Read<CreateIn>();
                Answer(request, files.CreateAsync(request.NodeId, message.ReadName(), create.Mode, create.Flags, KillsPrivileges(create.OpenFlags), request.Caller, request.Released, request.Token), ReplyCreated);
                break;
            case FuseOpcode.TmpFile:
                var temporary = message.Read<CreateIn>();
                Answer(request, files.CreateUnnamedAsync(request.NodeId, temporary.Mode, temporary.Flags, request.Caller, request.Token), ReplyCreated);
                break;
            case FuseOpcode.Read:
                Read(request, message.Read<TransferIn>());
                break;
            case FuseOpcode.Flush:
                Answer(request, files.FlushAsync(request.NodeId, message.Read<FlushIn>().Handle, request.Token));
                break;
            case FuseOpcode.Release:
                Answer(request, files.ReleaseAsync(request.NodeId, message.Read<ReleaseIn>().Handle));
                break;
            case FuseOpcode.FSync:
                var sync = message.Read<FSyncIn>();
                Answer(request, files.SyncAsync(request.NodeId, sync.Handle, (sync.Flags & FuseConstants.FUSE_FSYNC_FDATASYNC) != 0, request.Released, request.Token));
                break;
            case FuseOpcode.FAllocate:
                var allocate = message.Read<FAllocateIn>();
                Answer(request, files.AllocateAsync(request.NodeId, allocate.Handle, allocate.Offset, allocate.Length, allocate.Mode, request.Token));
                break;
            case FuseOpcode.LSeek:
                var seek = message.Read<LSeekIn>();
                Answer(request, files.SeekAsync(request.NodeId, seek.Handle, seek.Offset, seek.Whence, request.Token), static (r, offset) => r.Reply(new LSeekOut { Offset = offset }));
                break;
            case FuseOpcode.OpenDir:
                Answer(request, files.OpenDirectoryAsync(request.NodeId, request.Token), ReplyOpenedDirectory);
                break;
            case FuseOpcode.ReadDir or FuseOpcode.ReadDirPlus:
                ReadDirectory(request, message.Read<TransferIn>());
                break;
            case FuseOpcode.ReleaseDir:
                Answer(request, files.ReleaseDirectoryAsync(request.NodeId, message.Read<ReleaseIn>().Handle));
                break;
            case FuseOpcode.FSyncDir:
                Answer(request, files.SyncDirectoryAsync(request.NodeId, message.Read<FSyncIn>().Handle, request.Token));
                break;
            case FuseOpcode.StatFs:
                Answer(request, files.StatFileSystemAsync(request.Token), static (r, stat) => r.Reply(Replies.StatFsOf(stat)));
                break;
            case FuseOpcode.GetXAttr:
                var wanted = message.Read<GetXAttrIn>().Size;
                Answer(request, files.GetExtendedAttributeAsync(request.NodeId, message.ReadString(255), request.Token), (r, value) => ReplyValue(r, wanted, value.Span));
                break;
            case FuseOpcode.ListXAttr:
                var room = message.Read<GetXAttrIn>().Size;
                Answer(request, files.ListExtendedAttributesAsync(request.NodeId, request.Token), (r, names) => ReplyValue(r, room, ListOf(names)));
                break;
            case FuseOpcode.Destroy:
                request.Done();
                Finish(request);
                break;
            default:
                // The kernel does without, or does it itself, and mostly does not ask again.
                request.Fail(Errno.ENOSYS);
                Finish(request);
                break;
        }
    }

    private void Rename(FuseRequest request, ulong newParent, uint flags, ref FuseMessage message)
    {
        var name = message.ReadName();
        Answer(request, files.RenameAsync(request.NodeId, name, newParent, message.ReadName(), (FuseRenameFlags)flags, request.Released, request.Token));
    }

    private void Read(FuseRequest request, in TransferIn read)
    {
        var size = TransferSize(read.Size);
        request.Buffer = buffers.Rent(FuseChannel.HeaderBytes + size);
        var destination = request.Buffer.Memory.Slice(FuseChannel.HeaderBytes, size);
        Answer(request, files.ReadAsync(request.NodeId, read.Handle, read.Offset, destination, request.Token), static (r, bytes) =>
        {
            using (bytes.Lender)
            {
                return bytes.Lender is null ? r.ReplyBuffer(bytes.Count) : r.ReplyLent(bytes.Lent.Span);
            }
        });
    }

    private bool Write(FuseRequest request, ref FuseMessage message, RequestBuffer buffer)
    {
        var write = message.Read<TransferIn>();
        if (write.Size > message.Remaining)
        {
            throw new FuseException(Errno.EIO, "a WRITE of the kernel is shorter than it says");
        }

        var data = buffer.Memory.Slice(s_headerBytes + Marshal.SizeOf<TransferIn>(), (int)write.Size);
        var task = files.WriteAsync(request.NodeId, write.Handle, write.Offset, data, (write.TransferFlags & FuseConstants.FUSE_WRITE_KILL_SUIDGID) != 0, request.Released, request.Token);
        if (task.IsCompleted)
        {
            Answer(request, task, ReplyWritten);
            return false;
        }

        request.Buffer = buffer;
        buffers.Hold(buffer, s_headerBytes + Marshal.SizeOf<TransferIn>() + (int)write.Size);
        Answer(request, task, ReplyWritten);
        return true;
    }

    private void ReadDirectory(FuseRequest request, in TransferIn read)
    {
        var size = TransferSize(read.Size);
        request.Buffer = buffers.Rent(FuseChannel.HeaderBytes + size);
        var page = new DirectoryBuffer(request.Buffer.Memory.Slice(FuseChannel.HeaderBytes, size), request.Opcode == FuseOpcode.ReadDirPlus);
        Answer(request, Fill(read.Handle, read.Offset), (r, _) => Replied(r, page));

        async ValueTask<bool> Fill(ulong handle, ulong offset)
        {
            try
            {
                await files.ReadDirectoryAsync(request.NodeId, handle, offset, page, request.Token).ConfigureAwait(false);
                return true;
            }
            catch
            {
                Forget(page);
                throw;
            }
        }
    }

    private bool Replied(FuseRequest request, DirectoryBuffer page)
    {
        if (request.ReplyBuffer(page.Length))
        {
            return true;
        }

        Forget(page);
        return false;
    }

    private void Forget(DirectoryBuffer page)
    {
        foreach (var node in page.LookedUp)
        {
            files.Forget(node, 1);
        }
    }

    private int TransferSize(uint asked) => asked <= (uint)maxTransferBytes
        ? (int)asked : throw new FuseException(Errno.EIO, $"the kernel asks for {asked} bytes at once");

    private static FuseSetAttributes ChangeOf(in SetAttrIn change)
    {
        var valid = change.Valid;
        return new FuseSetAttributes
        {
            Handle = (valid & FuseConstants.FATTR_FH) != 0 ? change.Handle : null,
            Mode = (valid & FuseConstants.FATTR_MODE) != 0 ? change.Mode & 0xFFF : null,
            Uid = (valid & FuseConstants.FATTR_UID) != 0 ? change.Uid : null,
            Gid = (valid & FuseConstants.FATTR_GID) != 0 ? change.Gid : null,
            Size = (valid & FuseConstants.FATTR_SIZE) != 0 ? change.Size : null,
            ATime = TimeOf(valid, FuseConstants.FATTR_ATIME, FuseConstants.FATTR_ATIME_NOW, change.ATime, change.ATimeNanos),
            MTime = TimeOf(valid, FuseConstants.FATTR_MTIME, FuseConstants.FATTR_MTIME_NOW, change.MTime, change.MTimeNanos),
            KillsPrivileges = (valid & FuseConstants.FATTR_KILL_SUIDGID) != 0,
        };
    }

    private static bool KillsPrivileges(uint openFlags) => (openFlags & FuseConstants.FUSE_OPEN_KILL_SUIDGID) != 0;

    private static FuseTime? TimeOf(uint valid, uint isSet, uint isNow, ulong seconds, uint nanos)
    {
        if ((valid & isSet) == 0)
        {
            return null;
        }

        return (valid & isNow) != 0 ? new FuseTime(null) : new FuseTime(new UnixTime((long)seconds, Math.Min(nanos, 999_999_999)));
    }

    [LoggerMessage(3001, LogLevel.Error, "A message of {Length} bytes from /dev/fuse makes no sense; it is left unanswered")]
    private partial void LogMalformed(int length);

    [LoggerMessage(3002, LogLevel.Error, "{Opcode} failed")]
    private partial void LogFailure(FuseOpcode opcode, Exception exception);
}
