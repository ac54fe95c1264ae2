using System.Buffers;
using System.Runtime.InteropServices;
using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.S3.Folder;

/// <summary>Reading files.</summary>
internal sealed partial class FolderObjectStore
{
    public Task<SmallObject?> GetAsync(ObjectKey key, int maxBytes, CancellationToken cancellationToken) => RunAsync(key, call =>
    {
        using var file = TryOpen(key, out var version);
        if (file is null)
        {
            return null;
        }

        if (version.Size > maxBytes)
        {
            throw new ObjectStoreException(ObjectStoreErrorKind.TooLarge, $"store {Url}: {key} has {version.Size} bytes, at most {maxBytes} are taken");
        }

        var content = new byte[version.Size];
        Read(key, file, 0, content, call);
        return new SmallObject(content, version.ETag, ServerTime: null);
    }, cancellationToken);

    public Task ReadRangeAsync(ObjectKey key, long offset, ScatteredMemory destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Check(key);
        return _calls.RunAsync(call =>
        {
            using var file = TryOpen(key, out _) ?? throw FolderErrors.From(Url, $"reading {key}", Errno.ENOENT);
            // Not into the caller's memory: a call that is left behind may come back at any time, and has its own until then.
            var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(destination.Length, LargeReadBytes));
            try
            {
                for (var done = 0; done < destination.Length;)
                {
                    var piece = destination.From(done);
                    piece = piece[..Math.Min(piece.Length, buffer.Length)];
                    Read(key, file, offset + done, buffer.AsSpan(0, piece.Length), call);
                    call.Give(buffer.AsSpan(0, piece.Length), piece.Span);
                    done += piece.Length;
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }

            return true;
        }, canBeLeft: true, cancellationToken);
    }

    /// <summary>Null for absence. Non-blocking, so that a FIFO planted in the folder cannot hold the caller up.</summary>
    private SafeFileHandle? TryOpen(ObjectKey key, out FolderFile version)
    {
        version = default;
        var file = Interop.openat(_root, key.Value, Interop.O_RDONLY | Interop.O_NONBLOCK | Interop.O_NOFOLLOW | Interop.O_CLOEXEC, 0);
        if (file.IsInvalid)
        {
            var errno = Marshal.GetLastPInvokeError();
            return IsAbsence(errno) ? null : throw FolderErrors.From(Url, $"reading {key}", errno);
        }

        if (FolderFile.TryStat(file, "", out _) is not { } found)
        {
            file.Dispose();
            return null;
        }

        version = found;
        return file;
    }

    private unsafe void Read(ObjectKey key, SafeFileHandle file, long offset, Span<byte> destination, FolderCall call)
    {
        fixed (byte* start = destination)
        {
            var descriptor = (int)file.DangerousGetHandle();
            for (var done = 0; done < destination.Length;)
            {
                call.MovesOn();
                // SAFETY: the span is pinned and done + count stays within it; the caller keeps the handle open.
                var count = Interop.pread(descriptor, start + done, (nuint)Math.Min(destination.Length - done, LargeReadBytes), offset + done);
                if (count == 0)
                {
                    throw new ObjectStoreException(
                        ObjectStoreErrorKind.Truncated,
                        $"store {Url}: {key} ends at byte {offset + done}, but {destination.Length} bytes from {offset} were expected");
                }

                if (count < 0 && Marshal.GetLastPInvokeError() is var errno and not Errno.EINTR)
                {
                    throw FolderErrors.From(Url, $"reading {key}", errno);
                }

                done += (int)Math.Max(count, 0);
            }
        }
    }
}
