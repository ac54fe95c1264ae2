using Floe.Linux;
using Microsoft.Win32.SafeHandles;

namespace Floe.Agent.Files;

/// <summary>Two files' bytes.</summary>
internal static class FileComparison
{
    private const int BufferBytes = 1 << 20;

    /// <summary>False also where one cannot be read. Names are zero-terminated.</summary>
    public static bool AreSame(int directory, ReadOnlySpan<byte> name, int otherDirectory, ReadOnlySpan<byte> other)
    {
        var (first, second) = (NativeName.Open(directory, name, Interop.O_RDONLY), NativeName.Open(otherDirectory, other, Interop.O_RDONLY));
        using var one = new SafeFileHandle(first, ownsHandle: first >= 0);
        using var two = new SafeFileHandle(second, ownsHandle: second >= 0);
        if (first < 0 || second < 0)
        {
            return false;
        }

        try
        {
            var (mine, theirs) = (new byte[BufferBytes], new byte[BufferBytes]);
            for (long offset = 0; ; )
            {
                var count = Fill(one, mine, offset);
                if (Fill(two, theirs, offset) != count || !mine.AsSpan(0, count).SequenceEqual(theirs.AsSpan(0, count)))
                {
                    return false;
                }

                if (count < BufferBytes)
                {
                    return true;
                }

                offset += count;
            }
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static int Fill(SafeFileHandle file, Span<byte> buffer, long offset)
    {
        var filled = 0;
        while (filled < buffer.Length && RandomAccess.Read(file, buffer[filled..], offset + filled) is > 0 and var count)
        {
            filled += count;
        }

        return filled;
    }
}
