using Microsoft.Win32.SafeHandles;

namespace Floe.Linux;

/// <summary>Files of a FUSE mount by the numbers that its server gives them.</summary>
public static unsafe class FuseFile
{
    private const uint FILEID_INO64_GEN = 0x81;

    /// <summary>
    /// Opens a file that the kernel knows, for reading, without a look at its name: it may have none. Invalid: see errno; EPERM without CAP_DAC_READ_SEARCH, ESTALE where
    /// the kernel does not know the number.
    /// </summary>
    /// <param name="mount">Any descriptor on the mount, but none of O_PATH.</param>
    /// <param name="number">The node's; its generation is 0.</param>
    public static SafeFileHandle Open(SafeFileHandle mount, ulong number)
    {
        // struct file_handle: the length, the type, then what FUSE makes of a node (fuse_encode_fh, fs/fuse/inode.c): number, high half first, and generation.
        Span<uint> handle = [3 * sizeof(uint), FILEID_INO64_GEN, (uint)(number >> 32), (uint)number, 0];
        // SAFETY: the handle is pinned for the call and names its length.
        fixed (uint* pointer = handle)
        {
            return new SafeFileHandle(Interop.open_by_handle_at((int)mount.DangerousGetHandle(), (byte*)pointer, Interop.O_RDONLY | Interop.O_CLOEXEC), ownsHandle: true);
        }
    }
}
