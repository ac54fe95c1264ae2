using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Floe.Fuse.Protocol;
using Floe.Linux;

namespace Floe.Fuse.Serving;

/// <summary>How calls end: an answer, the request's memory back, its place free.</summary>
internal sealed partial class RequestDispatcher
{
    private void Answer<T>(FuseRequest request, ValueTask<T> task, Func<FuseRequest, T, bool> reply)
    {
        if (task.IsCompletedSuccessfully)
        {
            reply(request, task.Result);
            Finish(request);
            return;
        }

        pending.Add(request);
        _ = AwaitAsync(request, task, reply);
    }

    private void Answer(FuseRequest request, ValueTask task)
    {
        if (task.IsCompletedSuccessfully)
        {
            request.Done();
            Finish(request);
            return;
        }

        pending.Add(request);
        _ = AwaitAsync(request, ToResult(task), static (r, _) => r.Done());

        static async ValueTask<bool> ToResult(ValueTask task)
        {
            await task.ConfigureAwait(false);
            return true;
        }
    }

    private async Task AwaitAsync<T>(FuseRequest request, ValueTask<T> task, Func<FuseRequest, T, bool> reply)
    {
        try
        {
            var result = await task.ConfigureAwait(false);
            pending.Remove(request);
            reply(request, result);
        }
        catch (Exception e)
        {
            pending.Remove(request);
            Fail(request, e);
            return;
        }

        Finish(request);
    }

    private void Fail(FuseRequest request, Exception error)
    {
        var errno = error switch
        {
            FuseException e => e.Errno,
            OperationCanceledException => Errno.EINTR,
            _ => files.ErrnoOf(error),
        };
        if (errno == Errno.EIO)
        {
            LogFailure(request.Opcode, error);
        }

        request.Fail(errno);
        Finish(request);
    }

    private void Finish(FuseRequest request)
    {
        request.Dispose();
        finished();
    }

    private bool ReplyLookup(FuseRequest request, FuseEntry entry) => entry.NodeId != 0 ? ReplyEntry(request, entry) : request.Reply(Replies.EntryOf(entry));

    private bool ReplyEntry(FuseRequest request, FuseEntry entry)
    {
        if (request.Reply(Replies.EntryOf(entry)))
        {
            return true;
        }

        files.Forget(entry.NodeId, 1);
        return false;
    }

    private static bool ReplyAttributes(FuseRequest request, FuseAttributesReply reply) => request.Reply(Replies.AttributesOf(reply));

    private static bool ReplyWritten(FuseRequest request, int count) => request.Reply(new SizeOut { Size = (uint)count });

    private bool ReplyOpened(FuseRequest request, FuseOpened opened)
    {
        if (request.Reply(Replies.OpenOf(opened)))
        {
            return true;
        }

        _ = files.ReleaseAsync(request.NodeId, opened.Handle).AsTask();
        return false;
    }

    private bool ReplyOpenedDirectory(FuseRequest request, FuseOpened opened)
    {
        if (request.Reply(Replies.OpenOf(opened)))
        {
            return true;
        }

        _ = files.ReleaseDirectoryAsync(request.NodeId, opened.Handle).AsTask();
        return false;
    }

    private bool ReplyCreated(FuseRequest request, (FuseEntry Entry, FuseOpened Opened) created)
    {
        Span<byte> body = stackalloc byte[Unsafe.SizeOf<EntryOut>() + Unsafe.SizeOf<OpenOut>()];
        MemoryMarshal.Write(body, Replies.EntryOf(created.Entry));
        MemoryMarshal.Write(body[Unsafe.SizeOf<EntryOut>()..], Replies.OpenOf(created.Opened));
        if (request.Reply(body))
        {
            return true;
        }

        _ = files.ReleaseAsync(created.Entry.NodeId, created.Opened.Handle).AsTask();
        files.Forget(created.Entry.NodeId, 1);
        return false;
    }

    /// <summary>The size alone where the caller asked with no room, ERANGE where it has too little.</summary>
    private static bool ReplyValue(FuseRequest request, uint room, ReadOnlySpan<byte> value)
    {
        if (room == 0)
        {
            return request.Reply(new SizeOut { Size = (uint)value.Length });
        }

        return value.Length <= room ? request.Reply(value) : request.Fail(Errno.ERANGE);
    }

    private static byte[] ListOf(IReadOnlyList<string> names) => Encoding.UTF8.GetBytes(string.Concat(names.Select(n => n + '\0')));
}
