using System.Runtime.InteropServices;
using System.Text;
using Floe.Linux;

namespace Floe.Agent.Files;

/// <summary>
/// Extended attributes of a name in an open directory, symbolic links not followed: reached as /proc/self/fd/N/name, since the
/// calls that take a descriptor do not take the kinds of files that cannot be opened. POSIX ACLs and file capabilities are attributes too.
/// </summary>
internal static unsafe class ExtendedAttributes
{
    /// <summary>Labels that the machine's own security policy or overlay driver sets: wrong, and often not settable, elsewhere.</summary>
    private static readonly byte[][] s_machinesOwn =
    [
        "security.selinux"u8.ToArray(), "security.apparmor"u8.ToArray(), "security.ima"u8.ToArray(), "security.evm"u8.ToArray(),
        "trusted.overlay."u8.ToArray(), "user.overlay."u8.ToArray(), "system.nfs4"u8.ToArray(),
    ];

    /// <param name="name">Zero-terminated.</param>
    /// <param name="path">For messages.</param>
    /// <exception cref="FileStateException">They cannot be read, or there are too many.</exception>
    public static IReadOnlyList<FileAttribute> Read(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path) =>
        TryRead(directory, name, path) ?? throw TooMany(path);

    /// <returns>Null where there are more than a snapshot holds, or more than the kernel lists.</returns>
    public static IReadOnlyList<FileAttribute>? TryRead(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        if (Names(directory, name, path) is not { Count: <= FileRecordCodec.MaxAttributes } names)
        {
            return null;
        }

        List<FileAttribute>? attributes = null;
        foreach (var attribute in names)
        {
            if (ReadValue(Reach(directory, name), attribute, path) is { } value)
            {
                (attributes ??= []).Add(new FileAttribute(attribute, value));
            }
        }

        return attributes ?? (IReadOnlyList<FileAttribute>)[];
    }

    public static FileStateException TooMany(ReadOnlySpan<byte> path) =>
        new($"{KernelPath.Display(path)} has more than {FileRecordCodec.MaxAttributes} extended attributes, which is what a snapshot holds: remove some");

    /// <summary>Sets exactly these: others, for example an ACL inherited from the directory, are removed.</summary>
    public static void Write(int directory, ReadOnlySpan<byte> name, IReadOnlyList<FileAttribute> attributes, ReadOnlySpan<byte> path)
    {
        var reached = Reach(directory, name);
        foreach (var present in Names(directory, name, path) ?? throw TooMany(path))
        {
            if (!attributes.Any(attribute => attribute.Name.AsSpan().SequenceEqual(present)))
            {
                // SAFETY: both are zero-terminated and pinned for the call.
                fixed (byte* pathPointer = reached)
                fixed (byte* namePointer = Terminated(present))
                {
                    if (Interop.lremovexattr(pathPointer, namePointer) != 0 && Marshal.GetLastPInvokeError() is var errno && errno != Errno.ENODATA)
                    {
                        throw KernelPath.Failure($"remove the extended attribute {Encoding.Latin1.GetString(present)} of", path, errno);
                    }
                }
            }
        }

        foreach (var attribute in attributes)
        {
            // SAFETY: names are zero-terminated, the value's length is passed, all pinned for the call.
            fixed (byte* pathPointer = reached)
            fixed (byte* namePointer = Terminated(attribute.Name))
            fixed (byte* value = attribute.Value)
            {
                if (Interop.lsetxattr(pathPointer, namePointer, value, (nuint)attribute.Value.Length, 0) != 0)
                {
                    throw KernelPath.Failure($"set the extended attribute {Encoding.Latin1.GetString(attribute.Name)} of", path, Marshal.GetLastPInvokeError());
                }
            }
        }
    }

    /// <returns>Null where they are longer than the kernel's list of them may be.</returns>
    private static List<byte[]>? Names(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        var list = Array.Empty<byte>();
        var reached = Reach(directory, name);
        Span<byte> small = stackalloc byte[512];
        var room = small;
        nint length;
        while (true)
        {
            // SAFETY: the path is zero-terminated, the room's length is passed, both pinned for the call.
            fixed (byte* pathPointer = reached)
            fixed (byte* names = room)
            {
                length = Interop.llistxattr(pathPointer, names, (nuint)room.Length);
            }

            if (length >= 0)
            {
                break;
            }

            var errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.EOPNOTSUPP)
            {
                return [];
            }

            if (errno == Errno.E2BIG)
            {
                return null;
            }

            if (errno != Errno.ERANGE || list.Length > 0)
            {
                throw KernelPath.Failure("list the extended attributes of", path, errno);
            }

            list = new byte[FileRecordCodec.MaxAttributeBytes];
            room = list;
        }

        var result = new List<byte[]>();
        for (var rest = room[..(int)length]; !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)0);
            var attribute = rest[..end];
            if (!IsMachinesOwn(attribute))
            {
                result.Add(attribute.ToArray());
            }

            rest = rest[(end + 1)..];
        }

        return result;
    }

    private static byte[]? ReadValue(byte[] reached, byte[] attribute, ReadOnlySpan<byte> path)
    {
        var value = new byte[FileRecordCodec.MaxAttributeBytes];
        nint length;
        // SAFETY: names are zero-terminated, the room's length is passed, all pinned for the call.
        fixed (byte* pathPointer = reached)
        fixed (byte* namePointer = Terminated(attribute))
        fixed (byte* room = value)
        {
            length = Interop.lgetxattr(pathPointer, namePointer, room, (nuint)value.Length);
        }

        if (length >= 0)
        {
            return value[..(int)length];
        }

        var errno = Marshal.GetLastPInvokeError();
        return errno is Errno.ENODATA or Errno.EOPNOTSUPP
            ? null
            : throw KernelPath.Failure($"read the extended attribute {Encoding.Latin1.GetString(attribute)} of", path, errno);
    }

    private static bool IsMachinesOwn(ReadOnlySpan<byte> attribute)
    {
        foreach (var prefix in s_machinesOwn)
        {
            if (attribute.StartsWith(prefix))
            {
                return true;
            }
        }

        return false;
    }

    private static byte[] Reach(int directory, ReadOnlySpan<byte> name) =>
        [.. Encoding.ASCII.GetBytes($"/proc/self/fd/{directory}/"), .. name];

    private static byte[] Terminated(byte[] name) => [.. name, 0];
}
