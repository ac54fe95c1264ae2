using Floe.FileSystem.Content;
using Floe.Fuse;
using Floe.Linux;

namespace Floe.FileSystem.Operations;

/// <summary>Which parts of an open file are data: fallocate and lseek.</summary>
public sealed partial class ObjectFileSystem
{
    /// <summary>posix_fallocate: the room is the bucket's, so only the length counts.</summary>
    public async ValueTask AllocateAsync(ulong handle, long offset, long length, uint mode, CancellationToken cancellationToken)
    {
        const uint FALLOC_FL_KEEP_SIZE = 1;
        const uint FALLOC_FL_PUNCH_HOLE = 2;
        const uint FALLOC_FL_ZERO_RANGE = 16;
        var file = FileOf(handle);
        if (!file.CanWrite)
        {
            throw new FuseException(Errno.EBADF, "the file is not open for writing");
        }

        if (offset < 0 || length <= 0 || offset > long.MaxValue - length)
        {
            throw new FuseException(Errno.EINVAL, "no range");
        }

        if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
        {
            throw new FuseException(Errno.EOPNOTSUPP, "this fallocate is not for files of a bucket");
        }

        var end = offset + length;
        if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0)
        {
            await ZeroAsync(file.Content, offset, Math.Min(end, file.Content.Size), cancellationToken).ConfigureAwait(false);
        }

        if ((mode & FALLOC_FL_KEEP_SIZE) == 0 && end > file.Content.Size)
        {
            await file.Content.TruncateAsync(end, cancellationToken).ConfigureAwait(false);
        }

        Wrote(file.Node, killsPrivileges: false);
    }

    /// <summary>lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4).</summary>
    public long Seek(ulong handle, long offset, uint whence)
    {
        const uint SEEK_DATA = 3;
        const uint SEEK_HOLE = 4;
        var content = FileOf(handle).Content;
        if (whence is not (SEEK_DATA or SEEK_HOLE))
        {
            throw new FuseException(Errno.EINVAL, "the kernel seeks by itself");
        }

        return offset >= 0 && offset < content.Size && content.Seek(offset, whence == SEEK_DATA) is { } found
            ? found : throw new FuseException(Errno.ENXIO, "nothing of the kind behind there");
    }

    private static async Task ZeroAsync(FileContent content, long offset, long end, CancellationToken cancellationToken)
    {
        const int PieceBytes = 1 << 20;
        var zeros = new byte[(int)Math.Clamp(end - offset, 0, PieceBytes)];
        for (; offset < end; offset += zeros.Length)
        {
            await content.WriteAsync(offset, zeros.AsMemory(0, (int)Math.Min(zeros.Length, end - offset)), cancellationToken).ConfigureAwait(false);
        }
    }
}
