using System.Text;

namespace Floe.Linux;

/// <summary>The magic links of /proc, whose text is no path: "pipe:[5]", "anon_inode:[eventfd]".</summary>
public static class ProcLinks
{
    /// <summary>The text of a link; null when there is no such link.</summary>
    public static unsafe string? TryRead(string path)
    {
        var buffer = stackalloc byte[4096];
        var length = Interop.readlink(path, buffer, 4096);
        return length < 0 ? null : Encoding.UTF8.GetString(buffer, (int)length);
    }
}
