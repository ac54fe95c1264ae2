using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Floe.Linux.Processes;

/// <summary>Reads of /proc that take a process's end as an ordinary answer (false, null) instead of an exception.</summary>
public static unsafe class ProcFiles
{
    // SAFETY of the handle: AT_FDCWD is no descriptor; nothing is owned and nothing is closed.
    private static readonly SafeFileHandle WorkingDirectory = new(-100, ownsHandle: false);

    /// <summary>Text of a symbolic link, magic ones too; null when it is gone or may not be read. Bytes that are no UTF-8 become U+FFFD.</summary>
    public static string? TryReadLink(string path)
    {
        const int MaxPathBytes = 4096;
        var buffer = stackalloc byte[MaxPathBytes];
        var length = Interop.readlink(path, buffer, MaxPathBytes);
        return length < 0 ? null : Encoding.UTF8.GetString(buffer, (int)length);
    }

    /// <summary>Whole text of a file; null when it is gone or may not be read, also in the middle of reading.</summary>
    public static string? TryReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Paths of a folder's entries; none when it is gone or may not be read, also in the middle of reading.</summary>
    public static IReadOnlyList<string> TryList(string path)
    {
        try
        {
            return Directory.GetFileSystemEntries(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>statx of what the path leads to, links followed: mode, size in bytes and allocated bytes; null when it is gone.</summary>
    public static (uint Mode, long SizeBytes, long AllocatedBytes)? TryStat(string path)
    {
        Interop.StatxBuffer buffer;
        if (Interop.statx(WorkingDirectory, path, 0, Interop.STATX_BASIC_STATS, &buffer) != 0)
        {
            return null;
        }

        return (buffer.stx_mode, (long)buffer.stx_size, (long)buffer.stx_blocks * 512);
    }
}
